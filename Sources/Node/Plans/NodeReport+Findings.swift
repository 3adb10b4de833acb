import Log
import Platform
import Topology

extension NodeReport {
    /// A veto of this node with what it rests on in numbers, and how to lift it.
    func finding(of veto: Veto, at now: UnixMilliseconds = .now()) -> ChangePlan.Finding {
        ChangePlan.Finding(
            .init(rawValue: veto.code), NodeName(name), veto.detail,
            evidence: evidence(of: veto.code, at: now), remedy: remedy(of: veto.code))
    }

    private func evidence(
        of code: String, at now: UnixMilliseconds
    ) -> [ChangePlan.Evidence] {
        switch code {
        case "full-sync", "diverged":
            return [
                code == "diverged"
                    ? divergedEntries.map { .measured("diverged_entries", $0) } : nil,
                fullSync.map { .measured("bytes_done", $0.bytesDone) },
                fullSync?.bytesTotal.map { .measured("bytes_total", $0) },
                fullSync?.etaSeconds.map { .measured("eta_seconds", $0) },
            ].compactMap { $0 }
        case "lagging", "not-streaming":
            return [
                lag.map { .measured("behind_entries", $0.entries) },
                lag?.bytes.map { .measured("behind_bytes", $0) },
                lag?.seconds.map { .measured("behind_seconds", $0) },
                code == "not-streaming"
                    ? running.map { .measured("attempts", UInt64(max(0, $0.attempt))) } : nil,
            ].compactMap { $0 }
        case "unreachable":
            return observedAt.map { seen in
                [.measured("observation_age_ms", now > seen ? now.rawValue - seen.rawValue : 0)]
            } ?? []
        case AlarmCode.catalogDiffers.rawValue:
            return catalog.map { [.measured("catalog_index", $0.index.rawValue)] } ?? []
        case "detached":
            return running?.generation.map { [.measured("generation", $0.rawValue)] } ?? []
        default:
            return []
        }
    }

    private func remedy(of code: String) -> String {
        switch code {
        case "empty", "full-sync", "diverged": "wait until it streams, or choose another candidate"
        case "lagging": "wait until it has caught up"
        case "not-streaming": "see its last_error, and wait until it streams"
        case "unreachable": "start it, or choose another candidate"
        case "not-taken-in", "no-replica": "make it a replica before, or choose another candidate"
        case "undecided": "see its last_error, and wait until it has decided"
        case "detached": "take it in again before, with POST /v1/nodes"
        case AlarmCode.catalogDiffers.rawValue, AlarmCode.historyDamaged.rawValue:
            "POST /v1/nodes/\(name)/resync"
        default: "choose another candidate"
        }
    }
}

extension ChangePlan.Finding.Code {
    // Why this node does not begin what it was asked for, whatever the nodes do.
    static let isPrimary = Self(rawValue: "is-primary")
    static let notMember = Self(rawValue: "not-member")
    static let failoverRunning = Self(rawValue: "failover-running")
    static let switchoverRunning = Self(rawValue: "switchover-running")
    static let notThePrimary = Self(rawValue: "not-the-primary")
    static let noCandidate = Self(rawValue: "no-candidate")
    static let unknownNode = Self(rawValue: TopologyFault.Code.unknownNode.rawValue)
    static let dataLossPossible = Self(rawValue: "data-loss-possible")
    // Why a node is not taken in.
    static let addressNotAllowed = Self(rawValue: "address-not-allowed")
    static let nodeNotEmpty = Self(rawValue: "node-not-empty")
    static let nameMismatch = Self(rawValue: "name-mismatch")
    static let alreadyExists = Self(rawValue: "already-exists")
}
