import JSON
import Log
import Platform
import Topology

/// What a node tells its peers of itself: the answer to `GET /replication/topology`.
struct PeerStatus: Sendable {
    var name: String
    var number: NodeNumber?
    var lineage: Lineage?
    var document: TopologyDocument?
    /// It follows no reign below this one.
    var promised: Reign?
    var extent: HistoryExtent
    /// Whether the node may be adopted without losing anything.
    var holdsUserData: Bool
    /// Nodes of its own cluster besides itself.
    var followers: Int
    var report: NodeReport
    /// What it has found wrong with others.
    var found: [FoundAlarm] = []
    /// How far the operations have come that run on it.
    var courses: [RelayedCourse] = []
    /// New with each start: two that tell the same name and number, and not the same of this, are two.
    var process: String?

    struct FoundAlarm: Equatable, Sendable {
        var node: NodeNumber
        var alarm: NodeReport.Alarm
    }

    var json: JSONValue {
        [
            "name": .string(name),
            "number": .orNull(number?.rawValue),
            "lineage": .orNull(lineage?.hex),
            "reign": .orNull(document.map { "\($0.reign)" }),
            "generation": .orNull(document?.generation.rawValue),
            "document": .orNull(document.map { Hex.encode($0.encoded()) }),
            "promised": .orNull(promised.map { "\($0)" }),
            "position": extent.position.json,
            "last_reign": .string("\(extent.reign)"),
            "holds_user_data": .bool(holdsUserData),
            "followers": JSONValue(followers),
            "node": report.json,
            "process": .orNull(process),
            "operations": .array(courses.map(\.json)),
            "found": .array(
                found.map {
                    [
                        "number": JSONValue($0.node.rawValue), "alarm": $0.alarm.json,
                    ]
                }),
        ]
    }

    init(
        name: String, number: NodeNumber?, lineage: Lineage?, document: TopologyDocument?,
        promised: Reign?, extent: HistoryExtent, holdsUserData: Bool, followers: Int,
        report: NodeReport, found: [FoundAlarm] = [], courses: [RelayedCourse] = [],
        process: String? = nil
    ) {
        self.courses = courses
        self.process = process
        self.name = name
        self.number = number
        self.lineage = lineage
        self.document = document
        self.promised = promised
        self.extent = extent
        self.holdsUserData = holdsUserData
        self.followers = followers
        self.report = report
        self.found = found
    }

    init?(json: JSONValue) {
        guard let name = json["name"]?.stringValue, let extent = HistoryExtent(json: json),
            let holdsUserData = json["holds_user_data"]?.boolValue,
            let report = json["node"].flatMap(NodeReport.init(json:))
        else { return nil }
        self.name = name
        number = json["number"]?.integerValue.flatMap(UInt16.init(exactly:))
            .map(NodeNumber.init(rawValue:))
        lineage = json["lineage"]?.stringValue.flatMap(Lineage.init(hex:))
        document = json["document"]?.stringValue.flatMap(Hex.decode)
            .flatMap { TopologyDocument(decoding: $0) }
        promised = json["promised"]?.stringValue.flatMap(Reign.init(text:))
        self.extent = extent
        self.holdsUserData = holdsUserData
        followers = json["followers"]?.integerValue.flatMap(Int.init(exactly:)) ?? 0
        self.report = report
        process = json["process"]?.stringValue
        courses = (json["operations"]?.arrayValue ?? []).prefix(RelayedCourse.countMax)
            .compactMap { RelayedCourse(json: $0, at: .now()) }
        found = (json["found"]?.arrayValue ?? []).compactMap { item in
            guard let number = item["number"]?.integerValue.flatMap(UInt16.init(exactly:)),
                let alarm = item["alarm"].flatMap(NodeReport.Alarm.init(json:))
            else { return nil }
            return FoundAlarm(node: NodeNumber(rawValue: number), alarm: alarm)
        }
    }
}

/// What was last heard of a peer, and when.
struct PeerObservation: Sendable {
    var status: PeerStatus?
    /// When `status` came.
    var heardAt: UnixMilliseconds?
    /// When it was last asked.
    var askedAt: UnixMilliseconds
    /// The same moment by the clock that never jumps.
    var asked = MonotonicTime.now()
    /// Why the last call failed; nil when it was answered.
    var failure: NodeReport.Failure?

    var isReachable: Bool { failure == nil && status != nil }
}
