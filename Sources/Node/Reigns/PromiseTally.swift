import Log
import Topology

/// What was answered to the request to promise a reign. Pure.
struct PromiseTally: Sendable {
    /// What one node answered.
    enum Answer: Equatable, Sendable {
        case promised(HistoryExtent, TopologyVersion?)
        /// It knows a reign that is not below the one asked for.
        case contested(detail: String)
        case silent
    }

    /// How far the candidate's own history goes.
    let own: HistoryExtent
    /// Of the nodes that have a role, without the candidate, in the order of the document.
    let answers: [(record: NodeRecord, answer: Answer)]

    /// Nodes that have promised, the candidate among them.
    var count: Int { 1 + promisers.count }

    private var promisers: [(record: NodeRecord, extent: HistoryExtent, version: TopologyVersion?)]
    {
        answers.compactMap { record, answer in
            guard case .promised(let extent, let version) = answer else { return nil }
            return (record, extent, version)
        }
    }

    /// Why the reign cannot be had; nil when nobody objects.
    var objection: String? {
        for case (let record, .contested(let detail)) in answers {
            return "\(record.name): \(detail)"
        }
        return nil
    }

    /// The promiser whose history goes further than the candidate's, and furthest of all; of several
    /// the first.
    var furthest: NodeRecord? {
        var best: (record: NodeRecord, extent: HistoryExtent)?
        for (record, extent, _) in promisers where extent > (best?.extent ?? own) {
            best = (record, extent)
        }
        return best?.record
    }

    var promiserNames: [String] { promisers.map(\.record.name.rawValue) }

    /// Where the longest of the histories ends that are known now.
    var furthestExtent: HistoryExtent { promisers.map(\.extent).reduce(own) { max($0, $1) } }

    func hasPromised(_ number: NodeNumber) -> Bool {
        promisers.contains { $0.record.number == number }
    }

    /// A promiser with a newer document than the one by which promises are counted.
    func newer(than version: TopologyVersion) -> NodeRecord? {
        promisers.first { $0.version.map { $0 > version } ?? false }?.record
    }
}
