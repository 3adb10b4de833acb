import Platform
import Synchronization

/// The one thread on which a node changes its role. Jobs run in order; after them, at each poke and
/// at least every `beat`, it reconciles. Nothing on it may wait for the network.
final class ControlLoop: Sendable {
    private let inbox = Monitor(Inbox())
    private let lastBeat = Atomic<Int64>(MonotonicTime.now().nanoseconds)

    static let beat: Duration = .milliseconds(200)
    /// Jobs that may wait.
    static let jobsMax = 1_024

    private struct Inbox {
        var jobs: [@Sendable () -> Void] = []
        var isPoked = false
        var isStopping = false
        var hasEnded = false
    }

    func start(_ reconcile: @escaping @Sendable () -> Void) {
        _ = WorkerThread(name: "control") { [self] in
            while let jobs = next() {
                for job in jobs { job() }
                reconcile()
                lastBeat.store(MonotonicTime.now().nanoseconds, ordering: .relaxed)
            }
            inbox.update { $0.hasEnded = true }
        }
    }

    /// How long ago the loop last went round.
    var silence: Duration {
        MonotonicTime.now() - MonotonicTime(nanoseconds: lastBeat.load(ordering: .relaxed))
    }

    /// Runs `job` on the loop soon. False when too many wait, or it has stopped.
    @discardableResult
    func enqueue(_ job: @escaping @Sendable () -> Void) -> Bool {
        inbox.update { inbox in
            guard !inbox.isStopping, inbox.jobs.count < ControlLoop.jobsMax else { return false }
            inbox.jobs.append(job)
            return true
        }
    }

    /// Runs `body` on the loop, and waits for what it answers. Not to be called on the loop.
    ///
    /// - Parameters:
    ///   - patience: How long `body` may take to begin; once begun it is waited for.
    ///   - body: What is to be done there.
    /// - Returns: Nil when it has not begun, and then never will.
    func run<Value: Sendable>(
        within patience: Duration, _ body: @escaping @Sendable () -> Value
    ) -> Value? {
        let course = Monitor(Course<Value>.waiting)
        let isQueued = enqueue {
            let mayBegin = course.withLock { course in
                guard case .waiting = course else { return false }
                course = .begun
                return true
            }
            guard mayBegin else { return }
            let value = body()
            course.update { $0 = .ended(value) }
        }
        guard isQueued else { return nil }
        func end(_ course: inout Course<Value>) -> Value? {
            if case .ended(let value) = course { value } else { nil }
        }
        if let value = course.wait(until: .now() + patience, { end(&$0) }) { return value }
        let hasBegun = course.withLock { course in
            guard case .waiting = course else { return true }
            course = .abandoned
            return false
        }
        guard hasBegun else { return nil }
        // What runs on the loop has deadlines of its own.
        return course.wait(until: .now() + ControlLoop.jobMax) { end(&$0) }
    }

    private enum Course<Value: Sendable>: Sendable {
        case waiting
        case begun
        case abandoned
        case ended(Value)
    }

    /// No job takes longer: the longest opens a reign, which has 30 s to commit.
    private static let jobMax: Duration = .seconds(60)

    /// Reconciles soon.
    func poke() { inbox.update { $0.isPoked = true } }

    /// Ends after the jobs at hand. Blocks until then, at most until `deadline`.
    func stop(until deadline: MonotonicTime) {
        inbox.update { $0.isStopping = true }
        _ = inbox.wait(until: deadline) { $0.hasEnded ? true : nil }
    }

    private func next() -> [@Sendable () -> Void]? {
        let jobs = inbox.wait(until: .now() + ControlLoop.beat) {
            inbox -> [@Sendable () -> Void]?? in
            if inbox.isStopping { return .some(nil) }
            guard inbox.isPoked || !inbox.jobs.isEmpty else { return nil }
            defer {
                inbox.jobs = []
                inbox.isPoked = false
            }
            return inbox.jobs
        }
        switch jobs {
        case .none: return []  // The beat.
        case .some(let jobs): return jobs
        }
    }
}
