import JSON
import Log
import Platform
import Topology

@testable import Node
@testable import Replication

/// The replica's end of a link: performs what the real ``ReplicaMachine`` decides, by the rules of
/// `LinkRunner` and `AckReporter`.
final class SimSession {
    typealias Machine = ReplicaMachine

    unowned let node: SimNode
    let number: Int
    let id: String
    let upstream: NodeRecord
    private(set) var machine: Machine
    var isStopped = false
    private(set) var origin: OriginHeartbeat?
    private let isForced: Bool
    /// Of the stream that is open, and how its pieces are known.
    private var stream: RecordStream?
    private var streamNumber = 0
    private var hasHead = false
    private var acceptedReign: Reign?
    private var received: LogIndex?
    private var staging: Staging?
    private var staged: SimStore?
    private var isReportDue = false

    private struct Staging {
        var manifest: SimManifest
        var partsDone = 0
    }

    /// What comes on a stream.
    enum Piece {
        case head(PeerIdentity, last: LogIndex)
        case refused(FeedRefusal)
        case bytes([UInt8])
        case closed
    }

    init(_ node: SimNode, _ upstream: NodeRecord, forced: FullSyncReason?) {
        self.node = node
        self.upstream = upstream
        number = node.sessionNumber
        id = "\(node.facts.number?.rawValue ?? 0)-\(node.process)-\(number)"
        isForced = forced != nil
        let state = (node.store ?? node.foreign)?.state
        machine = Machine(
            position: state?.position,
            lastReign: state?.reign ?? Reign(term: 0, holder: NodeNumber(rawValue: 0)),
            known: node.identity.version, forced: forced, at: node.world.now)
    }

    private var world: World { node.world }
    private var engine: SimStore? { node.store ?? node.foreign }
    private var identity: PeerIdentity {
        var identity = node.identity
        identity.session = id
        return identity
    }
    private var peer: SimNode? { world.node(at: upstream.address) }
    /// Whether this session still counts, in this process.
    private var isAlive: Bool { node.isUp && !isStopped && node.session === self }

    func stop() {
        take(.stop)
        isStopped = true
    }

    func tick() {
        take(.tick)
        guard isAlive else { return }
        if machine.state == .connecting { take(.connected) }
        if isAlive, isReportDue { report() }
        isReportDue = isAlive
    }

    // MARK: - The machine

    private func take(_ event: Machine.Event) {
        let before = machine.state
        let actions = machine.take(event, at: world.now, chance: world.random.chance())
        if machine.state != before {
            node.log("\(machine.state.word.rawValue) with \(upstream.name), on \(Self.word(event))")
        }
        for action in actions {
            guard node.isUp else { return }
            guard perform(action) else { return }
        }
    }

    private static func word(_ event: Machine.Event) -> String {
        switch event {
        case .failed(let failure): "\(failure)"
        case .answered(let answer): "\(answer)".prefix(120).description
        default: "\(event)".prefix(60).description
        }
    }

    /// - Returns: Whether to go on with the next action.
    private func perform(_ action: Machine.Action) -> Bool {
        switch action {
        case .openStream(let position): open(after: position)
        case .startFullSync: startFullSync()
        case .keepDivergedTail(let hints): return keepDivergedTail(hints)
        case .dropStaging:
            staging = nil
            staged = nil
        case .swap: return swap()
        case .acknowledge(let atOnce): if atOnce { report() } else { reportSoon() }
        case .closeLink:
            streamNumber += 1
            stream = nil
            received = nil
        case .connect, .wait: break
        }
        return true
    }

    // MARK: - The stream

    private func open(after position: Position) {
        guard let store = staged ?? engine, store.state.position == position else {
            return take(.failed(.local("state-changed", "not at \(position) any more")))
        }
        streamNumber += 1
        stream = RecordStream(
            after: position, lastTime: store.state.time, lastReign: store.state.reign)
        acceptedReign = nil
        hasHead = false
        received = position.index
        guard let peer else { return take(.failed(.unreachable("no such address"))) }
        let request = FeedRequest(
            peer: identity, after: position, lastReign: store.state.reign, remoteAddress: "sim")
        let (number, process) = (streamNumber, node.process)
        world.send(node, peer) { [self] in
            let link = SimLink(request, id, from: peer, to: self, number, process)
            if peer.isUp { peer.openFeed(link) } else { link.send(.closed) }
        }
    }

    func receive(_ piece: Piece, stream number: Int, process: Int) {
        guard isAlive, node.process == process, number == streamNumber, stream != nil else {
            return
        }
        switch piece {
        case .head(let peer, let last):
            guard !hasHead, peer.lineage == node.identity.lineage else { return }
            hasHead = true
            acceptedReign = peer.reign
            take(.answered(.accepted(reign: peer.reign, last: last)))
        case .refused(let refusal):
            take(event(for: refusal))
        case .closed:
            take(.failed(.unreachable("the upstream ended the stream")))
        case .bytes(let bytes):
            // Nothing comes before the head of an answer: it would overtake on the wire alone.
            guard hasHead else { return }
            stream?.push(bytes)
            consume(number)
        }
    }

    private func consume(_ number: Int) {
        do {
            while isAlive, number == streamNumber {
                if let run = try stream?.nextRun(bytesMax: 256) {
                    guard apply(run.records) else { return }
                } else if let frame = try stream?.next() {
                    note(frame)
                } else {
                    return
                }
            }
        } catch {
            take(.failed(.badData("\(error)")))
        }
    }

    /// - Returns: Whether the session and its process go on.
    private func apply(_ records: [Record]) -> Bool {
        guard let last = records.last else { return true }
        guard node.sessionNumber == number else {
            stop()
            return false
        }
        world.watch.streams(in: acceptedReign, node)
        for record in records {
            if staged != nil {
                world.watch.applies(record, on: staged?.state ?? SimState(), node)
                staged?.append(record, synced: world.settings.policy == .always)
                if let fault = staged?.apply(record) {
                    take(.failed(.local("apply-failed", fault)))
                    return false
                }
            } else if let fault = node.apply(record) {
                take(.failed(.local("apply-failed", fault)))
                return false
            }
            guard node.isUp else { return false }
        }
        received = last.position.index
        take(.applied(last.position, last.reign))
        if isAlive, staged == nil { node.pumpAll() }
        return isAlive
    }

    private func note(_ frame: WireFrame) {
        switch frame {
        case .record: break
        case .ackWanted: take(.ackWanted)
        case .heartbeat(let payload):
            let origin = OriginHeartbeat(payload, receivedAt: world.now)
            self.origin = origin
            take(
                .heartbeat(
                    Machine.Beat(
                        originIndex: origin.position.index, reign: origin.reign,
                        isUpstream: origin.reign.holder == upstream.number,
                        isFresh: origin.ageThen < OriginHeartbeat.ageMax)))
        }
    }

    /// As `LinkRunner` reads a refusal.
    private func event(for refusal: FeedRefusal) -> Machine.Event {
        let problem = PeerProblem(
            status: refusal.status, code: refusal.code, detail: refusal.detail,
            body: .object(JSONObject(refusal.members.map { ($0.name, $0.value) })))
        let identity = node.identity
        let hints = HistoryHints(json: problem.body)
        let word = problem.word
        switch problem.code {
        case "position-not-retained": return .answered(.notRetained(hints, detail: problem.detail))
        case "history-diverged": return .answered(.diverged(hints, detail: problem.detail))
        case "not-in-topology":
            node.hear(word)
            if let word, word.lineage == identity.lineage { return .told(.removed, word.version) }
        case "other-cluster": node.hear(word)
        default:
            if let word, word.lineage == identity.lineage,
                identity.version.map({ word.version > $0 }) ?? true
            {
                node.hear(word)
            }
            if hints != nil {
                return .answered(.refused(code: problem.code, detail: problem.detail, hints))
            }
        }
        return .failed(.refused(problem.code, problem.detail))
    }

    // MARK: - Full sync

    private func keepDivergedTail(_ hints: HistoryHints?) -> Bool {
        guard let engine else { return true }
        var fork = LogIndex.zero
        if let hints {
            fork = ReignTable(engine.state.reigns).fork(
                last: engine.state.position.index, with: hints.reigns,
                otherLast: hints.last.index)
        }
        let start = max(fork, engine.log.before.index)
        let kept = engine.log.records(after: start, through: engine.log.last.index)
        node.diverged += kept
        world.watch.note { $0.divergences += 1 }
        node.log("keeps \(kept.count) entries that only it has, after \(fork)")
        return world.passes(.tailKept, node)
    }

    private func startFullSync() {
        streamNumber += 1
        stream = nil
        if let staged {
            received = staged.state.position.index
            return take(.loaded(staged.state.position, staged.state.reign))
        }
        ask(timeout: .seconds(30)) { [identity, id] peer in
            peer.openSnapshot(identity, session: id)
        } then: { [self] manifest in
            if staging?.manifest.id != manifest.id { staging = Staging(manifest: manifest) }
            take(.stage(.fetch))
            fetch()
        }
    }

    private func fetch() {
        guard let staging else { return }
        guard staging.partsDone < SimManifest.parts else { return load(staging.manifest) }
        ask(timeout: .seconds(3)) { [identity] peer in
            peer.snapshotPart(of: staging.manifest.id, identity)
        } then: { [self] _ in
            self.staging?.partsDone = staging.partsDone + 1
            take(.fetched)
            fetch()
        }
    }

    private func load(_ manifest: SimManifest) {
        take(.stage(.verify))
        take(.stage(.load))
        guard isAlive, case .fullSync = machine.state else { return }
        staged = SimStore(snapshot: manifest.state)
        received = manifest.state.position.index
        take(.loaded(manifest.state.position, manifest.state.reign))
    }

    /// One request of a full sync; what comes for an attempt that is over is dropped.
    private func ask<Answer>(
        timeout: Duration, _ request: @escaping (SimNode) -> Result<Answer, FeedRefusal>,
        then: @escaping (Answer) -> Void
    ) {
        guard let peer else { return take(.failed(.unreachable("no such address"))) }
        let number = streamNumber
        // A part takes as long as a file does.
        let pause = Duration.milliseconds(Int64.random(in: 10...300, using: &world.random))
        world.call(node, peer, timeout: timeout, handle: { request(peer) }) { [self] result in
            world.after(pause) { [self] in
                guard isAlive, number == streamNumber else { return }
                switch result {
                case .success(.success(let answer)): then(answer)
                case .success(.failure(let refusal)): take(event(for: refusal))
                case .failure(.timedOut): take(.failed(.silent(.idle)))
                case .failure(.unreachable): take(.failed(.unreachable("refused")))
                }
            }
        }
    }

    private func swap() -> Bool {
        guard let staged else { return false }
        guard world.passes(.loaded, node) else { return false }
        guard node.sessionNumber == number else {
            stop()
            return false
        }
        world.watch.swaps(from: engine, to: staged, isForced: isForced, node)
        self.staged = nil
        staging = nil
        node.install(staged)
        guard world.passes(.swapped, node) else { return false }
        take(.swapped)
        return isAlive
    }

    // MARK: - Reports

    private func reportSoon() {
        world.after(.milliseconds(10)) { [self] in if isAlive { report() } }
    }

    private func report() {
        switch machine.state {
        case .streaming, .fullSync: break
        default: return
        }
        guard let peer, let number = node.facts.number else { return }
        let isServing = machine.state == .streaming
        let position = engine?.state.position ?? .origin
        let report = AckReport(
            node: number, session: id, applied: position,
            received: isServing ? position.index : received ?? .zero,
            durable: min(engine?.log.synced ?? .zero, position.index),
            state: machine.state.word.rawValue, catalogDigest: .zero, catalogIndex: .zero,
            generation: node.identity.generation ?? Generation(0), diskFreeBytes: 1 << 30,
            followers: node.followers())
        isReportDue = false
        world.call(node, peer, timeout: .seconds(3)) { [identity] in
            peer.acknowledge(report, from: identity)
        } done: { [self] result in
            guard isAlive else { return }
            switch result {
            case .success(.success): break
            case .success(.failure(let refusal)):
                take(.failed(.refused(refusal.code, refusal.detail)))
            case .failure:
                if case .fullSync(_, .prepare) = machine.state { take(.failed(.silent(.idle))) }
            }
        }
    }
}
