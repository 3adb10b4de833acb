import HTTPClient
public import JSON
import Platform
import Replication
import Topology

/// Asking the others what this node does not know, or not yet.
extension Node {
    /// For one round of questions.
    static let askPatience: Duration = .seconds(1)
    /// Asked in one round, the primary first.
    private static let askedMax = 8

    /// What the peers said.
    public enum PeerFinding: Sendable {
        /// By the first that knows it.
        case found(JSONValue)
        /// None of those knows it that can be reached.
        case unknown
        /// Nobody who has answered knows it, and not everybody has in time.
        case unheard
    }

    /// Asks those who can be reached. Blocks, for ``askPatience`` at most. `path` is one under
    /// `/replication/`.
    public func askPeers(_ path: String) -> PeerFinding {
        guard let document = state.document else { return .unknown }
        let others = document.nodes.filter { record in
            record.number != state.facts.number
                && peers.observation(of: record.number)?.isReachable != false
        }
        let asked =
            others.filter { $0.number == document.primary }
            + others.filter { $0.number != document.primary }
        guard !asked.isEmpty else { return .unknown }
        let count = min(asked.count, Node.askedMax)
        let answers = Monitor(Answers())
        for record in asked.prefix(count) { ask(path, of: record, answers) }
        return answers.wait(until: .now() + Node.askPatience) { answers -> PeerFinding? in
            if let found = answers.found { return .found(found) }
            guard answers.without == count else { return nil }
            return answers.late == 0 ? .unknown : .unheard
        } ?? .unheard
    }

    private struct Answers: Sendable {
        var found: JSONValue?
        /// How many do not know it, or do not answer.
        var without = 0
        /// Of these, who did not answer in time.
        var late = 0
    }

    private func ask(_ path: String, of record: NodeRecord, _ answers: Monitor<Answers>) {
        let client = makeClient(of: record)
        _ = WorkerThread(name: "ask", stackBytes: 512 << 10) {
            do throws(PeerError) {
                let answer = try client.call(
                    "GET", path,
                    deadlines: FetchDeadlines(
                        connect: Node.askPatience, total: Node.askPatience))
                answers.update { $0.found = $0.found ?? answer }
            } catch {
                answers.update { answers in
                    answers.without += 1
                    if case .timedOut = error { answers.late += 1 }
                }
            }
        }
    }
}
