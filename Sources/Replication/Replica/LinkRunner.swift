import Engine
import HTTPClient
import JSON
import Log
import Platform
import Topology

/// The thread that runs a session's link: performs what the machine decides, one attempt after the
/// other. Everything here may block; ``ReplicaSession/stop()`` and ``ReplicaSession/cutLink()`` end
/// its network calls.
final class LinkRunner {
    typealias Action = ReplicaMachine.Action
    typealias Failure = ReplicaMachine.Failure

    let session: ReplicaSession
    let client: PeerClient
    /// What a full sync has fetched so far; kept between attempts.
    var staging: Staging?
    /// A state that was loaded and does not serve yet; kept between attempts.
    var staged: Staged?

    struct Staged {
        let engine: Engine
        let reason: FullSyncReason
        let snapshot: String
        let bytes: UInt64
        let startedAt: MonotonicTime
    }

    var environment: ReplicaEnvironment { session.environment }

    init(_ session: ReplicaSession) {
        self.session = session
        client = session.makeClient()
    }

    func run() {
        while session.waitForAttempt() {
            client.reset()
            // A stop before the reset has set the flag by now; one after it cancels again.
            guard !session.isStopped else { break }
            perform(session.take(.connected))
        }
        guard !session.read({ $0.keepsFetched }) else { return }
        dropStaging()
    }

    private func perform(_ actions: [Action]) {
        var actions = actions
        while !actions.isEmpty {
            switch actions.removeFirst() {
            case .openStream(let position): actions += stream(after: position)
            case .startFullSync(let reason): actions += fullSync(reason)
            case .keepDivergedTail(let hints):
                if let failed = keepDivergedTail(hints) { actions = failed }
            case .dropStaging: dropStaging()
            case .swap: _ = swap()
            case .acknowledge, .connect, .closeLink, .wait: break
            }
        }
    }

    /// The node does not count on this session any more.
    func endSession() { session.stop() }

    /// Turns what a peer has refused, or not answered, into an event; tells the node what concerns it.
    func event(for error: PeerError) -> ReplicaMachine.Event {
        switch error {
        case .unreachable(let detail): return .failed(.unreachable(detail))
        case .timedOut(.connect): return .failed(.silent(.connect))
        case .timedOut(.idle): return .failed(.silent(.idle))
        case .timedOut(.total): return .failed(.silent(.total))
        case .badAnswer(let detail): return .failed(.badData(detail))
        case .cancelled: return .failed(.unreachable("the link was cut"))
        case .refused(let problem): return event(for: problem)
        }
    }

    private func event(for problem: PeerProblem) -> ReplicaMachine.Event {
        let identity = environment.identity()
        let hints = HistoryHints(json: problem.body)
        switch problem.code {
        case "position-not-retained":
            return .answered(.notRetained(hints, detail: problem.detail))
        case "history-diverged":
            return .answered(.diverged(hints, detail: problem.detail))
        case "not-in-topology":
            session.tell(.notInTopology(problem.word), problem.word)
            guard let word = problem.word, word.lineage == identity.lineage else { break }
            return .told(.removed, word.version)
        case "other-cluster":
            session.tell(.otherCluster(problem.word), problem.word)
        default:
            if let word = problem.word, word.lineage == identity.lineage,
                identity.version.map({ word.version > $0 }) ?? true
            {
                session.tell(.newer(word), word)
            }
            if hints != nil {
                return .answered(.refused(code: problem.code, detail: problem.detail, hints))
            }
        }
        return .failed(.refused(problem.code, problem.detail))
    }

    /// Copies what only this node has, before a full sync replaces it.
    ///
    /// - Returns: What to do instead of going on, when that failed; nil: go on.
    private func keepDivergedTail(_ hints: HistoryHints?) -> [Action]? {
        guard let engine = environment.engine() else { return nil }
        do throws(DivergedTail.Failure) {
            let kept = try DivergedTail.keep(
                of: engine, unlike: hints, in: environment.dataDirectory.divergedPath, at: .now(),
                isShared: { position in
                    // In one lineage the reigns tell. Another one may be a fork of it, or a stranger.
                    engine.state.header.lineage == environment.identity().lineage
                        || isShared(position)
                })
            if let kept {
                environment.finished(
                    .diverged(fork: kept.after.index, entries: kept.entries, file: kept.path))
            }
            return nil
        } catch {
            return session.take(.failed(.tailNotKept("\(error)")))
        }
    }

    /// Whether the upstream's history has a position; false when it cannot be asked.
    private func isShared(_ position: Position) -> Bool {
        let answer = try? client.bytes(
            "/replication/tail?after=\(position.index)&hash=\(position.hash.hex)",
            bytesMax: TailFetch.answerBytesMax)
        return answer != nil
    }

    func dropStaging() {
        let incarnation = staged?.engine.incarnation ?? staging?.incarnation
        staged = nil
        staging = nil
        session.note { $0.progress = nil }
        // What stays is removed at the next boot.
        if let incarnation { try? FileSystem.removeTree(incarnation.path) }
    }
}
