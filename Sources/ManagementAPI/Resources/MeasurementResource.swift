import HTTPServer
import JSON
import Node
import Platform
import Topology

/// What this node has measured of itself in the last hour, for plots.
enum MeasurementResource {
    static let routes: [Route] = [
        Route(.get, "/v1/nodes/{name}/measurements", .clusterRead, get)
    ]

    /// Each node keeps its own, and nobody else's.
    private static func get(_ call: Call) throws(Problem) -> Route.Outcome {
        let own = call.node.name.rawValue
        guard [NodeResource.selfName, own].contains(call.parameter("name")) else {
            _ = try call.member()
            throw .conflict(
                "not-this-node",
                "This node is \(own), and each node keeps its own measurements: ask the other one.")
        }
        return .response(.json(json(call.node.measurements.now, of: own)))
    }

    private static func json(_ ring: MeasurementRing, of name: String) -> JSONValue {
        let points = ring.all
        func numbers(_ value: (Measurement) -> Double?) -> JSONValue {
            .array(points.map { value($0).map { .number(rounded($0)) } ?? .null })
        }
        var replicas = JSONObject()
        for (name, lags) in ring.replicaLags.sorted(by: { $0.key < $1.key }) {
            replicas[name] = .array(lags.map { $0.map { .number(rounded($0)) } ?? .null })
        }
        return [
            "node": .string(name),
            "interval_seconds": JSONValue(Int(MeasurementRing.interval.inSeconds)),
            "points_max": JSONValue(MeasurementRing.pointsMax),
            "measured_at": .array(points.map { .string($0.at.rfc3339) }),
            "reads_per_second": numbers(\.readsPerSecond),
            "writes_per_second": numbers(\.writesPerSecond),
            "lag_seconds": numbers(\.lagSeconds),
            "log_bytes": .array(points.map { .orNull($0.logBytes) }),
            "headroom_seconds": numbers(\.headroomSeconds),
            "disk_free_bytes": .array(points.map { .orNull($0.diskFreeBytes) }),
            "replica_lag_seconds": .object(replicas),
            "observed_at": .string(UnixMilliseconds.now().rfc3339),
        ]
    }

    /// To thousandths: more is noise.
    private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}

extension ManagementAPI {
    /// Requests for data that were answered with success.
    func requestCounts() -> RequestCounts {
        var counts = RequestCounts(reads: 0, writes: 0)
        for route in RouteTable.routes {
            // 2xx.
            let answers = counters[route.number].now.byClass[1].answers
            if route.scope == .namespaceRead { counts.reads += answers }
            if route.scope == .namespaceWrite { counts.writes += answers }
        }
        return counts
    }
}
