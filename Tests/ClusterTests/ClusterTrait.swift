import ClusterKit
import Platform
import Testing

/// Real processes: each test has a directory of its own and threads that it may block, and only a
/// few run at a time.
///
/// What the test has started ends with it. When it fails, its directory stays and the ends of its
/// nodes' logs are printed. It fails, too, when ThreadSanitizer has reported something of a node.
struct ClusterTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    /// Of the suite nothing, of the test a slot (not counted by its time limit), of its case the rest.
    func scopeProvider(for test: Test, testCase: Test.Case?) -> ClusterTrait? {
        test.isSuite ? nil : self
    }

    func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        guard let testCase else {
            await Slots.shared.take()
            do {
                // All of it: the time limit of a case must not pass while it waits for a thread
                // of Swift's pool, to begin or to end.
                try await withTaskExecutorPreference(OwnThreads.executor) {
                    try await function()
                }
                await Slots.shared.giveBack()
            } catch {
                await Slots.shared.giveBack()
                throw error
            }
            return
        }
        let scratch = try ScratchDirectory(test.name)
        let failed: IssueHandlingTrait = .compactMapIssues { issue in
            if issue.isFailure { scratch.keep() }
            return issue
        }
        try await failed.provideScope(for: test, testCase: testCase) {
            try await ScratchDirectory.$current.withValue(scratch) {
                do {
                    try await withTaskExecutorPreference(OwnThreads.executor) {
                        try await function()
                    }
                } catch {
                    scratch.keep()
                    ClusterTrait.end(scratch, test)
                    throw error
                }
            }
            ClusterTrait.end(scratch, test)
        }
    }

    private static func end(_ scratch: ScratchDirectory, _ test: Test) {
        for node in scratch.processes {
            for report in node.raceReports { Issue.record("\(node.name): \(report)") }
        }
        if scratch.isKept {
            print("--- kept of \(test.name): \(scratch.path)")
            for node in scratch.processes {
                print("--- \(node.name), the end of \(node.errorsPath)\n\(node.errorsTail())")
            }
        }
        scratch.endProcesses()
    }
}

extension Trait where Self == ClusterTrait {
    static var cluster: ClusterTrait { ClusterTrait() }
}

/// How many cluster tests run at once: CONVOY_TEST_SLOTS, else two.
private actor Slots {
    static let shared = Slots()

    private var free = ProcessEnvironment["CONVOY_TEST_SLOTS"].flatMap { Int($0) } ?? 2
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func take() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func giveBack() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().resume()
        }
    }
}

/// A thread for each job, so that the body of a test may block: the threads of Swift's own pool are
/// as few as the machine's cores, and all tests of a run share them.
private final class OwnThreads: TaskExecutor {
    static let executor = OwnThreads()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        _ = WorkerThread(name: "cluster-test", stackBytes: 8 << 20) { [self] in
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}

/// Whether the long variants run too: CONVOY_FULL=1.
let isFullRun = ProcessEnvironment["CONVOY_FULL"] == "1"
