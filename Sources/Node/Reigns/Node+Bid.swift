import Engine
import HTTPClient
import JSON
import Log
import Platform
import Replication
import Topology

/// A try to become primary in a new reign: a failover's, or a former primary's after its restart.
///
///     promises (≤ 500 ms) ──▶ tail ──▶ reign
///
/// A promise is kept on disk by whoever gives it, so of two bids at once the one for the higher reign
/// wins, and the other is refused or fenced.
struct Bid: Sendable {
    let reign: Reign
    /// By which promises are counted.
    let document: TopologyDocument
    /// The number that the reign is in the name of.
    var number: NodeNumber { reign.holder }

    struct Failure: Error {
        var code: String
        var detail: String
        /// The rules that forbid it, with their evidence.
        var vetoes: [ChangePlan.Finding] = []

        /// A document that was heard of but is not in the log says that entries are missing.
        static func lacks(_ document: TopologyDocument) -> Failure {
            Failure(
                code: "tail-missing",
                detail:
                    "this node knows of generation \(document.generation) of reign \(document.reign), and its log does not have it: entries are missing that only a silent node has"
            )
        }
    }

    /// Whoever has a role besides the bidder: the others count for nothing.
    var others: [NodeRecord] { document.peers(of: number) }

    func decision(promises: Int) -> FailoverDecision {
        FailoverDecision(document, promises: promises)
    }
}

extension TopologyDocument {
    /// The nodes that have a role, without `number`.
    func peers(of number: NodeNumber) -> [NodeRecord] {
        nodes.filter { $0.number != number && role(of: $0.number) != nil }
    }
}

/// All of this blocks, and runs on a thread of its own; what changes the node does so on the control
/// loop, and only as long as the promise that it rests on is the newest.
extension Node {
    static let promiseTimeout: Duration = .milliseconds(500)
    private static let tailTimeout: Duration = .seconds(60)

    /// With `mayMissReigns` not enough nodes answer to know of every reign that there was.
    ///
    /// - Throws: `terms-exhausted`.
    func makeBid(
        _ document: TopologyDocument, _ number: NodeNumber, mayMissReigns: Bool = false
    ) throws(Bid.Failure) -> Bid {
        let highest = highestTerm(document)
        guard let term = NextTerm.above(highest, mayMissReigns: mayMissReigns) else {
            throw Bid.Failure(code: "terms-exhausted", detail: NextTerm.exhausted(highest))
        }
        return Bid(reign: Reign(term: term, holder: number), document: document)
    }

    /// Whether this node's log has that document, or a newer one.
    func hasApplied(_ document: TopologyDocument) -> Bool {
        state.engine?.state.catalog.topology.map { $0.version >= document.version } ?? false
    }

    /// The highest term that this node has heard of, promised ones included.
    func highestTerm(_ document: TopologyDocument) -> UInt32 {
        var term = max(
            document.reign.term, state.facts.promised?.term ?? 0,
            state.engine?.state.header.reign.term ?? 0)
        for record in document.nodes {
            let status = peers.observation(of: record.number)?.status
            guard status?.lineage == state.lineage else { continue }
            term = max(term, status?.document?.reign.term ?? 0, status?.promised?.term ?? 0)
        }
        return term
    }

    /// Promises the reign here first, then asks all others at once.
    ///
    /// - Throws: `reign-contested` when anybody knows a higher one, `topology-changed` when one of
    ///   them has a newer document than the one that promises are counted by.
    func collectPromises(_ bid: Bid) throws(Bid.Failure) -> PromiseTally {
        let promised = control.run(within: .seconds(10)) {
            [self] () -> Result<PromiseGiven, PromiseRefusal> in
            do throws(PromiseRefusal) {
                return .success(try keepPromise(bid.reign, to: name.rawValue))
            } catch {
                return .failure(error)
            }
        }
        guard case .success(let own) = promised else {
            throw Bid.Failure(code: "reign-contested", detail: "this node knows a higher reign")
        }
        let answers = Monitor<[NodeNumber: PromiseTally.Answer]>([:])
        for record in bid.others { askPromise(bid.reign, of: record, answers) }
        let deadline = MonotonicTime.now() + Node.promiseTimeout
        let heard =
            answers.wait(until: deadline) { $0.count == bid.others.count ? $0 : nil }
            ?? answers.withLock { $0 }
        let tally = PromiseTally(
            own: own.extent, answers: bid.others.map { ($0, heard[$0.number] ?? .silent) })
        if let objection = tally.objection {
            throw Bid.Failure(code: "reign-contested", detail: objection)
        }
        if let record = tally.newer(than: bid.document.version) {
            throw Bid.Failure(
                code: "topology-changed",
                detail: "\(record.name) has a newer topology than this node had; ask again")
        }
        return tally
    }

    private func askPromise(
        _ reign: Reign, of record: NodeRecord, _ answers: Monitor<[NodeNumber: PromiseTally.Answer]>
    ) {
        let client = makeClient(of: record)
        _ = WorkerThread(name: "promise", stackBytes: 512 << 10) {
            let answer: PromiseTally.Answer
            do throws(PeerError) {
                let body = try client.call(
                    "POST", "/replication/promise", body: ["reign": .string("\(reign)")],
                    deadlines: FetchDeadlines(
                        connect: Node.promiseTimeout, total: Node.promiseTimeout))
                guard let given = PromiseGiven(json: body) else {
                    throw PeerError.badAnswer("no position in the promise")
                }
                answer = .promised(given.extent, given.version)
            } catch {
                answer =
                    error.code == "reign-contested" ? .contested(detail: error.detail) : .silent
            }
            answers.update { $0[record.number] = answer }
        }
    }

    func makeClient(of record: NodeRecord) -> PeerClient {
        peerClient(at: record.address)
    }

    /// Applies what a promiser has beyond this node, and checks that promises were counted by the
    /// newest document that the bidder has then.
    ///
    /// - Returns: How many entries came.
    /// - Throws: `tail-missing` or `topology-changed`; what came before was applied.
    @discardableResult
    func takeTail(from record: NodeRecord, for bid: Bid) throws(Bid.Failure) -> UInt64 {
        let begun = control.run(within: .seconds(10)) { [self] () -> (Engine, UInt64)? in
            guard let engine = state.engine, stands(bid) else { return nil }
            return (engine, state.beginSession())
        }
        guard case (let engine, let session)?? = begun else {
            throw Bid.Failure(
                code: "reign-contested", detail: "a higher reign was promised meanwhile")
        }
        let entries: UInt64
        do throws(PeerError) {
            entries = try TailFetch.run(
                makeClient(of: record), after: engine.state.position,
                until: .now() + Node.tailTimeout
            ) { [state] records, encoded throws(EngineError) in
                try state.apply(session, engine, records, encoded)
            }
        } catch {
            throw Bid.Failure(
                code: "tail-missing",
                detail:
                    "\(record.name) has entries that this node lacks, and: \(error.detail). Fail over to \(record.name) instead"
            )
        }
        log(
            .info, "took the missing tail",
            ["node": record.name.rawValue, "entries": "\(entries)"])
        if let newest = state.document, newest.version > bid.document.version {
            throw Bid.Failure(
                code: "topology-changed",
                detail: "the entries of \(record.name) bring a newer topology; ask again")
        }
        return entries
    }

    /// Whether the bid is still this node's last word: it is not primary, it has promised nothing
    /// higher, and its number is still the one that the reign names. On the control loop.
    func stands(_ bid: Bid) -> Bool {
        state.committer == nil && state.facts.promised == bid.reign
            && state.facts.number == bid.number
    }
}
