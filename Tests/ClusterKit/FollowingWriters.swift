import JSON
import Platform

/// Clients that write as a patient program does: an answer 421 that names another node is followed,
/// with the same write, until it is answered. Any other answer than success is a failed write.
///
/// Each has its own keys and its own thread.
public final class FollowingWriters: Sendable {
    private let shared: Monitor<Shared>
    private let threads: [WorkerThread]

    private struct Shared {
        var isStopping = false
        var report = Report()
    }

    /// What the clients have met.
    public struct Report: Sendable {
        public var journal = WriteJournal()
        /// Answers that were neither success nor 421 with a name.
        public var failures: [String] = []
        /// How often a client was sent on.
        public var sentOn = 0
        /// From the first try of a write to its success, the longest of all.
        public var longest: Duration = .zero
    }

    /// Of a write that is sent to and fro.
    private static let patience: Duration = .seconds(30)

    /// - Parameters:
    ///   - count: How many clients.
    ///   - client: Of the node they write to at first.
    ///   - label: The beginning of all keys.
    public init(_ count: Int, to client: TestClient, label: String) {
        let shared = Monitor(Shared())
        self.shared = shared
        threads = (0..<count).map { number in
            WorkerThread(name: "writer-\(number)") {
                var target = client
                var journal = WriteJournal()
                var place = 0
                while !shared.withLock({ $0.isStopping }) {
                    let key = "\(label)-\(number)-\(place % 500)"
                    let value = Array("\(key) \(place)".utf8)
                    place += 1
                    journal.attempted(key, value)
                    if FollowingWriters.write(key, value, at: &target, shared) {
                        journal.acknowledged(key, value)
                    }
                }
                shared.update { [journal] in $0.report.journal.merge(journal) }
            }
        }
    }

    /// Whether it was acknowledged.
    private static func write(
        _ key: String, _ value: [UInt8], at target: inout TestClient, _ shared: Monitor<Shared>
    ) -> Bool {
        let began = MonotonicTime.now()
        while MonotonicTime.now() - began < patience {
            let answer: TestAnswer
            do {
                answer = try target.put(Path.key(key), value)
            } catch {
                shared.withLock { [base = target.base] in
                    $0.report.failures.append("\(base): \(error)")
                }
                return false
            }
            if answer.status == 201 || answer.status == 204 {
                let took = MonotonicTime.now() - began
                shared.update { $0.report.longest = max($0.report.longest, took) }
                return true
            }
            guard answer.status == 421, let next = answer["primary"]?["address"]?.stringValue else {
                shared.withLock { [base = target.base] in
                    $0.report.failures.append("\(base): \(answer)")
                }
                return false
            }
            // The new primary may not have heard of it yet, and then names the old one.
            rest(.milliseconds(1))
            target = TestClient(base: next)
            shared.withLock { $0.report.sentOn += 1 }
        }
        shared.withLock { $0.report.failures.append("\(key) was sent on for \(patience)") }
        return false
    }

    /// The longest since the last call of this, or since the start.
    public func takeLongest() -> Duration {
        shared.update { shared in
            defer { shared.report.longest = .zero }
            return shared.report.longest
        }
    }

    /// Stops the clients, and answers what all of them have met.
    public func finish(within time: Duration = .seconds(60)) throws -> Report {
        shared.update { $0.isStopping = true }
        let deadline = MonotonicTime.now() + time
        for thread in threads where !thread.join(until: deadline) {
            throw ClusterFailure("a writer did not end within \(time)")
        }
        return shared.withLock { $0.report }
    }
}
