import HTTPServer
import JSON
import Node
import Platform
import Topology

/// Is this node alive, ready, primary, in sync? From published values only: neither the engine nor
/// the network is asked.
enum HealthResource {
    static let routes: [Route] = [
        Route(.get, "/livez", .open, isHealth: true, live),
        Route(.get, "/readyz", .open, isHealth: true, ready),
        Route(
            .get, "/health/{kind}", .open, query: ["lag_ms", "lag_entries", "stable_for"],
            isHealth: true, health),
    ]

    private static func live(_ call: Call) throws(Problem) -> Route.Outcome {
        try answer(call.node.isAlive ? [] : ["The node's control loop does not beat."])
    }

    private static func ready(_ call: Call) throws(Problem) -> Route.Outcome {
        try answer(call.node.unreadiness().map { Sentence.of($0.detail) })
    }

    private static func health(_ call: Call) throws(Problem) -> Route.Outcome {
        guard let kind = HealthKind(rawValue: call.parameter("kind")) else {
            throw .notFound(
                "There is no such question; there are primary, replica, writable and in-sync.")
        }
        let limits = HealthLimits(
            lagMilliseconds: try call.query.integer("lag_ms", in: 0...HealthLimits.numberMax),
            lagEntries: try call.query.integer("lag_entries", in: 0...HealthLimits.numberMax))
        let stableFor = try call.query.duration("stable_for", max: WaitHub.timeoutMax) ?? .zero
        let report = call.node.report()
        var reasons = kind.reasons(call.node, report) + limits.reasons(report.lag)
        let condition =
            "\(kind.rawValue)/\(limits.lagMilliseconds ?? -1)/\(limits.lagEntries ?? -1)"
        let held = call.api.heldSince.note(
            condition, holds: reasons.isEmpty, earliest: report.running.map { $0.since.monotonic })
        if let held, held < stableFor {
            reasons.append("It has held for \(held.inSeconds) s only.")
        }
        return try answer(reasons)
    }

    private static func answer(_ reasons: [String]) throws(Problem) -> Route.Outcome {
        guard !reasons.isEmpty else { return .response(.json(["status": "ok"])) }
        throw Problem.notReady(reasons.joined(separator: " "))
            .with("reasons", .array(reasons.map { .string($0) }))
    }
}

/// What a load balancer asks.
private enum HealthKind: String {
    case primary, replica, writable
    case inSync = "in-sync"

    /// Why the answer is no; empty when it is yes.
    func reasons(_ node: Node, _ report: NodeReport) -> [String] {
        switch self {
        case .primary:
            return report.running?.role == .primary ? [] : ["This node is not the primary."]
        case .replica:
            guard report.running?.role == .replica else { return ["This node is not a replica."] }
            return report.running?.state == .streaming
                ? []
                : [
                    "This replica is not streaming; it is \(report.running?.state?.rawValue ?? "unknown")."
                ]
        case .writable:
            return node.isWritable ? [] : ["This node takes no writes."]
        case .inSync:
            let sync = node.sync()
            if report.running?.role == .primary {
                return sync.inSync ? [] : ["Not every configured replica is in sync."]
            }
            return node.isInSync(sync) ? [] : ["This replica is not in sync with the primary."]
        }
    }
}

/// How far behind the node may be.
private struct HealthLimits {
    var lagMilliseconds: Int?
    var lagEntries: Int?

    /// What JSON readers hold exactly.
    static let numberMax = 1 << 53 - 1

    func reasons(_ lag: NodeReport.Lag?) -> [String] {
        guard lagMilliseconds != nil || lagEntries != nil else { return [] }
        guard let lag else { return ["How far this node is behind is not known."] }
        var reasons: [String] = []
        if let lagEntries, lag.entries > UInt64(lagEntries) {
            reasons.append("This node is \(lag.entries) entries behind.")
        }
        if let lagMilliseconds {
            if let seconds = lag.seconds {
                if seconds * 1000 > Double(lagMilliseconds) {
                    reasons.append("This node is \(seconds) s behind.")
                }
            } else {
                reasons.append("How many seconds this node is behind is not known.")
            }
        }
        return reasons
    }
}

extension UnixMilliseconds {
    /// The same moment on the monotonic clock, as far as the wall clock has not jumped.
    var monotonic: MonotonicTime {
        let wall = UnixMilliseconds.now()
        let age = wall > self ? wall.rawValue - rawValue : 0
        return .now() + .milliseconds(-Int64(clamping: age))
    }
}
