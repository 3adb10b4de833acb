import Platform

/// Clients that write until they are stopped or their node is gone, each with its own keys and its
/// own thread.
public final class ParallelWriters: Sendable {
    private let shared = Monitor(Shared())
    private let threads: [WorkerThread]

    private struct Shared {
        var isStopping = false
        var journal = WriteJournal()
        var acknowledged = 0
        var problems: [String] = []
    }

    /// - Parameters:
    ///   - count: How many clients.
    ///   - client: Of the node they write to.
    ///   - namespace: Into which.
    ///   - random: Decides values, and which keys are written again.
    ///   - pause: Of each client after each write.
    ///   - query: Of each write, as in `?acks=1`.
    ///   - label: The beginning of all keys; different for different writers of one namespace.
    public init(
        _ count: Int, to client: TestClient, namespace: String = "default",
        random: SeededRandom, pause: Duration = .zero, query: String = "", label: String
    ) {
        let shared = self.shared
        threads = (0..<count).map { number in
            WorkerThread(name: "writer-\(number)") {
                var random = random.forked(number)
                var journal = WriteJournal()
                var count = 0
                while !shared.withLock({ $0.isStopping }) {
                    // One in four overwrites an older key of this client.
                    let again = count > 0 && random.next() % 4 == 0
                    let place = again ? Int(random.next() % UInt64(count)) : count
                    if !again { count += 1 }
                    let key = "\(label)-\(number)-\(place)"
                    let value = Array("\(key) \(random.next())".utf8)
                    let goesOn = ParallelWriters.write(
                        key, value, to: client, Path.key(key, in: namespace) + query, &journal,
                        shared)
                    if !goesOn { break }
                    if pause > .zero { rest(pause) }
                }
                shared.update { [journal] in $0.journal.merge(journal) }
            }
        }
    }

    /// Whether the node is still there.
    private static func write(
        _ key: String, _ value: [UInt8], to client: TestClient, _ path: String,
        _ journal: inout WriteJournal, _ shared: Monitor<Shared>
    ) -> Bool {
        journal.attempted(key, value)
        guard let answer = try? client.put(path, value) else {
            return false  // No answer: the attempt stays possible.
        }
        switch answer.status {
        case 201, 204:
            journal.acknowledged(key, value)
            shared.update { $0.acknowledged += 1 }
        case 503 where answer.problem == "outcome-unknown", 504:
            break
        case 421, 503:
            journal.refused(key)
        default:
            journal.refused(key)
            shared.update { $0.problems.append("\(answer)") }
        }
        return true
    }

    /// Blocks until so many writes were acknowledged.
    public func waitForAcknowledgements(_ count: Int, within time: Duration = .seconds(40)) throws {
        let met = shared.wait(until: .now() + time) { $0.acknowledged >= count ? true : nil }
        guard met != nil else {
            let done = shared.withLock { ($0.acknowledged, $0.problems) }
            throw ClusterFailure(
                "only \(done.0) of \(count) writes acknowledged within \(time); \(done.1.prefix(3))"
            )
        }
    }

    /// Stops the clients, and answers what all of them were told.
    ///
    /// - Throws: ``ClusterFailure`` when a write was refused in a way that has no excuse.
    public func finish(within time: Duration = .seconds(60)) throws -> WriteJournal {
        shared.update { $0.isStopping = true }
        let deadline = MonotonicTime.now() + time
        for thread in threads where !thread.join(until: deadline) {
            throw ClusterFailure("a writer did not end within \(time)")
        }
        let (journal, problems) = shared.withLock { ($0.journal, $0.problems) }
        if let first = problems.first {
            throw ClusterFailure("\(problems.count) writes were refused, the first: \(first)")
        }
        return journal
    }
}
