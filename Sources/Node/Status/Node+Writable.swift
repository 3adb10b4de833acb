import Platform
import Replication
import Topology

/// Whether a write that is sent to this node can be answered with success, and why not.
extension Node {
    /// Something that keeps writes from succeeding.
    public struct WriteObstacle: Equatable, Sendable {
        public var code: String
        public var detail: String
    }

    /// Empty when writes are taken and can be acknowledged. Published values only.
    public func writeObstacles() -> [WriteObstacle] {
        guard state.committer != nil else {
            return [WriteObstacle(code: "not-primary", detail: "this node is not the primary")]
        }
        var obstacles: [WriteObstacle] = []
        if state.isDraining {
            obstacles.append(WriteObstacle(code: "busy", detail: "the node is stopping"))
        }
        if state.isDiskLow {
            obstacles.append(
                WriteObstacle(code: AlarmCode.diskNearlyFull.rawValue, detail: diskLow))
        }
        if let missing = missingReplicas {
            obstacles.append(
                WriteObstacle(code: AlarmCode.replicasMissing.rawValue, detail: missing))
        }
        if refusesIsolatedWrites {
            obstacles.append(
                WriteObstacle(code: AlarmCode.isolated.rawValue, detail: Node.isolated))
        }
        return obstacles
    }

    /// Why nothing is taken that needs space, in words.
    var diskLow: String {
        let reserve = options.diskReserveBytes >> 20
        return
            "\(maintenance.freeBytes >> 20) MiB are free on the disk, and \(reserve) MiB are kept in reserve"
    }

    static let isolated =
        "no configured replica has been heard for 3 s, and this node was started with --isolated-writes refuse"

    /// Whether no replica has confirmed anything for so long that this primary may be cut off, and
    /// another one may reign.
    var isIsolated: Bool {
        let silence = FeedMachine.silenceMax
        return state.committer != nil && state.document.map { !$0.replicas.isEmpty } ?? false
            && source.unheardFor > silence && state.inRoleFor > silence
    }

    /// Whether writes are refused because of that.
    var refusesIsolatedWrites: Bool { options.isolatedWrites == .refuse && isIsolated }

    /// Fewer replicas are linked than each write waits for, in words; nil when there are enough.
    private var missingReplicas: String? {
        guard let document = state.document, document.minInSyncReplicas > 0 else { return nil }
        let heard = source.linkedReplicas()
        let linked = document.replicas.count { heard.contains($0.node) }
        guard linked < document.minInSyncReplicas else { return nil }
        return
            "\(linked) replicas are linked, and each write waits for \(document.minInSyncReplicas): it would end with acks-timeout"
    }

    /// Of the primary, for who asks another node.
    func judgeWrites(
        _ document: TopologyDocument, _ verdicts: inout [AlarmBook.Key: AlarmBook.Verdict]
    ) {
        guard let own = state.facts.number, state.committer != nil else { return }
        let obstacles = writeObstacles()
        for code in [AlarmCode.replicasMissing, .isolated] {
            let found = obstacles.first { $0.code == code.rawValue }
            verdicts[AlarmBook.Key(node: own, code: code)] =
                found.map { .wrong($0.detail) } ?? .right
        }
    }

    /// The same of the primary, as another node sees it; nil: nobody is known to reign.
    static func writeObstacles(of primary: NodeReport?) -> [WriteObstacle] {
        guard let primary, let state = primary.running?.state else {
            return [WriteObstacle(code: "no-primary", detail: "no primary is known at present")]
        }
        guard state == .serving || state == .unconfirmed else {
            return [WriteObstacle(code: state.rawValue, detail: "the primary is \(state.rawValue)")]
        }
        let codes: [AlarmCode] = [.replicasMissing, .isolated, .diskNearlyFull]
        return primary.alarms.filter { alarm in codes.contains { $0.rawValue == alarm.code } }
            .map { WriteObstacle(code: $0.code, detail: $0.detail) }
    }
}
