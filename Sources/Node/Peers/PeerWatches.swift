import Log
import Platform
import Replication
import Topology

/// Watches every other node of the cluster, each on a thread of its own: a peer that hangs must not
/// delay what is known of the others.
final class PeerWatches: Sendable {
    private let watches = Monitor<[NodeNumber: PeerWatch]>([:])

    /// How long a node that was removed is told so, unless it knows before.
    private static let farewell: Duration = .seconds(600)

    /// Watches exactly the nodes of `document` but `own`, and those that left it until they know.
    ///
    /// Who is out of the topology itself looks at nobody: whoever takes it in comes to it.
    func watch(_ document: TopologyDocument, except own: NodeNumber?, by node: Node) {
        if let own, document.node(numbered: own) == nil { return stopAll() }
        let now = MonotonicTime.now()
        let ended = watches.withLock { watches -> [PeerWatch] in
            var ended: [PeerWatch] = []
            for record in document.nodes where record.number != own {
                if let watch = watches[record.number], !watch.isOver {
                    watch.setRemoval(nil)
                    if watch.record.address == record.address { continue }
                    ended.append(watch)
                }
                let watch = PeerWatch(record)
                watches[record.number] = watch
                watch.start(node)
            }
            for (number, watch) in watches where document.node(numbered: number) == nil {
                let removal = watch.removal ?? PeerWatch.Removal(version: document.version, at: now)
                watch.setRemoval(removal)
                if watch.isOver || now - removal.at > PeerWatches.farewell {
                    watches[number] = nil
                    ended.append(watch)
                }
            }
            return ended
        }
        for watch in ended { watch.stop() }
    }

    func stopAll() {
        let all = watches.withLock { watches in
            defer { watches = [:] }
            return Array(watches.values)
        }
        for watch in all { watch.stop() }
    }

    func observation(of number: NodeNumber) -> PeerObservation? {
        watches.withLock { $0[number] }?.observation
    }

    /// Whether a peer is counted on to answer: it did so the last time, or was never asked, and no
    /// question to it has been open for longer than `patience`.
    func answers(_ number: NodeNumber, within patience: Duration) -> Bool {
        guard let watch = watches.withLock({ $0[number] }) else { return true }
        return watch.observation?.isReachable != false && watch.openFor < patience
    }

    /// Asks a peer again at once.
    func poke(_ number: NodeNumber) { watches.withLock { $0[number] }?.poke() }

    /// A peer was just told of a document: it is asked again soon whether it knows it, a few times.
    func noteTold(_ number: NodeNumber, of version: TopologyVersion) {
        watches.withLock { $0[number] }?.noteTold(of: version)
    }

    func pokeAll() {
        for watch in watches.withLock({ Array($0.values) }) { watch.poke() }
    }

    /// What every node with a role has answered since this process began.
    func bootAnswers(
        _ document: TopologyDocument, except own: NodeNumber, lineage: Lineage?
    ) -> [NodeNumber: BootDecision.Peer?] {
        var answers: [NodeNumber: BootDecision.Peer?] = [:]
        for record in document.peers(of: own) {
            let seen = observation(of: record.number)
            answers[record.number] = .some(
                seen?.status.map { status in
                    BootDecision.Peer(
                        version: status.document?.version, isSameLineage: status.lineage == lineage,
                        extent: status.extent, isReachable: seen?.isReachable ?? false)
                })
        }
        return answers
    }
}

/// Looks at one peer each second, and tells it what it should know.
final class PeerWatch: Sendable {
    let record: NodeRecord
    private let state: Monitor<State>

    private static let period: Duration = .seconds(1)
    /// While it may be about to learn what it was told, so often.
    private static let toldPeriod: Duration = .milliseconds(50)
    private static let toldMax = 10

    private struct State {
        var observation: PeerObservation?
        /// Of the document that it was told of last, and how often.
        var told: (version: TopologyVersion, count: Int)?
        /// When the call under way began.
        var openSince: MonotonicTime?
        var removal: Removal?
        var isPoked = false
        var isStopping = false
        var isOver = false
        var client: PeerClient?
    }

    /// The node has left the topology.
    struct Removal {
        /// Of the first document without it that was seen.
        let version: TopologyVersion
        let at: MonotonicTime
    }

    init(_ record: NodeRecord) {
        self.record = record
        state = Monitor(State())
    }

    var observation: PeerObservation? { state.withLock { $0.observation } }
    /// For how long a question to it has been open; zero when none is.
    var openFor: Duration {
        state.withLock { $0.openSince }.map { MonotonicTime.now() - $0 } ?? .zero
    }
    var removal: Removal? { state.withLock { $0.removal } }

    func setRemoval(_ removal: Removal?) { state.withLock { $0.removal = removal } }

    /// The peer is not looked at any more, and no connection to it is left.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Ends the watch of a node that was removed and knows it, or is of another cluster by now.
    private func isOver(_ lineage: Lineage?) -> Bool {
        state.withLock { state in
            if let removal = state.removal, state.observation?.failure == nil,
                let status = state.observation?.status
            {
                let knows = status.document.map { $0.version >= removal.version } ?? false
                state.isOver = knows || status.lineage != lineage
            }
            if state.isOver { state.client = nil }
            return state.isOver || state.isStopping
        }
    }

    func poke() { state.update { $0.isPoked = true } }

    func noteTold(of version: TopologyVersion) {
        state.withLock { state in
            if state.told?.version != version { state.told = (version, 0) }
            state.told?.count += 1
        }
    }

    /// Until the next visit.
    private var pause: Duration {
        state.withLock { state in
            guard let told = state.told, told.count <= PeerWatch.toldMax,
                let known = state.observation?.status?.document?.version, known < told.version
            else { return PeerWatch.period }
            return PeerWatch.toldPeriod
        }
    }

    /// Returns at once; a call under way is cancelled.
    func stop() {
        let client = state.update { state in
            state.isStopping = true
            return state.client
        }
        client?.cancel()
    }

    func start(_ node: Node) {
        let client = node.peerClient(at: record.address)
        state.withLock { $0.client = client }
        _ = WorkerThread(name: "peer-\(record.name)", stackBytes: 512 << 10) { [self] in
            while true {
                visit(node, client)
                if isOver(node.state.facts.lineage) { break }
                _ = state.wait(until: .now() + pause) { state -> Bool? in
                    guard state.isPoked || state.isStopping else { return nil }
                    state.isPoked = false
                    return true
                }
            }
        }
    }

    private func visit(_ node: Node, _ client: PeerClient) {
        let askedAt = UnixMilliseconds.now()
        let asked = MonotonicTime.now()
        state.withLock { $0.openSince = asked }
        do throws(PeerError) {
            let answer = try client.call("GET", "/replication/topology")
            guard let status = PeerStatus(json: answer) else {
                throw PeerError.badAnswer("no status of a node")
            }
            observe { observation in
                observation.status = status
                observation.heardAt = .now()
                observation.askedAt = askedAt
                observation.asked = asked
                observation.failure = nil
            }
            try node.act(on: status, of: record, client)
        } catch {
            guard error != .cancelled else { return }
            observe { observation in
                observation.askedAt = askedAt
                observation.asked = asked
                observation.failure = NodeReport.Failure(
                    code: error.code, detail: error.detail, at: .now())
            }
        }
        node.waits.poke()
    }

    private func observe(_ body: (inout PeerObservation) -> Void) {
        state.withLock { state in
            var observation = state.observation ?? PeerObservation(askedAt: .now())
            body(&observation)
            state.observation = observation
            state.openSince = nil
        }
    }
}

extension PeerError {
    /// As problems name it.
    var code: String {
        switch self {
        case .unreachable, .timedOut: "node-unreachable"
        case .refused(let problem): problem.code
        case .badAnswer: "bad-answer"
        case .cancelled: "cancelled"
        }
    }

    var detail: String {
        switch self {
        case .unreachable(let detail), .badAnswer(let detail): detail
        case .refused(let problem): problem.detail
        case .timedOut(let phase): "no answer in time (\(phase))"
        case .cancelled: "cancelled"
        }
    }
}
