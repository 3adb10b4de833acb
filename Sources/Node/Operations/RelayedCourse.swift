import Engine
import JSON
import Platform
import Topology

/// How far an operation has come that runs on another node, by that node's last word.
struct RelayedCourse: Equatable, Sendable {
    var id: String
    var steps: [OperationView.Step]
    var progress: OperationView.Progress?
    /// When it was heard; at the node that tells, now.
    var at: UnixMilliseconds

    /// Told to peers at most, the newest first.
    static let countMax = 32

    /// Without the time, which is the hearer's.
    var json: JSONValue {
        [
            "id": .string(id), "steps": .array(steps.map(\.json)),
            "progress": progress.map {
                [
                    "done": JSONValue($0.done), "total": .orNull($0.total),
                    "unit": .string($0.unit),
                ]
            } ?? .null,
        ]
    }

    init(
        id: String, steps: [OperationView.Step], progress: OperationView.Progress?,
        at: UnixMilliseconds
    ) {
        self.id = id
        self.steps = steps
        self.progress = progress
        self.at = at
    }

    /// Nil: it is none.
    init?(json: JSONValue, at: UnixMilliseconds) {
        guard let id = json["id"]?.stringValue, let steps = json["steps"]?.arrayValue else {
            return nil
        }
        self.init(
            id: id, steps: steps.compactMap(OperationView.Step.init(json:)),
            progress: json["progress"].flatMap { progress in
                guard let done = progress["done"]?.unsigned,
                    let unit = progress["unit"]?.stringValue
                else { return nil }
                return .init(done: done, total: progress["total"]?.unsigned, unit: unit)
            }, at: at)
    }
}

extension Node {
    /// What runs here, for its peers.
    var runningCourses: [RelayedCourse] {
        let records = state.engine?.state.catalog.operations ?? [:]
        let local = Dictionary(
            tracker.localRecords.map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
        let now = UnixMilliseconds.now()
        let running = tracker.courses.compactMap { id, course in
            (local[id] ?? records[id]).flatMap { record in
                record.state == .running ? (since: record.createdAt, id: id, course: course) : nil
            }
        }
        return running.sorted { $0.since > $1.since }.prefix(RelayedCourse.countMax).map {
            RelayedCourse(id: $0.id, steps: $0.course.steps, progress: $0.course.progress, at: now)
        }
    }

    /// By the word of the peer that runs it, if that is not too old.
    func relayedCourse(_ id: String) -> RelayedCourse? {
        guard let document = state.document else { return nil }
        let now = UnixMilliseconds.now().rawValue
        return document.nodes.lazy.compactMap { [self] record -> RelayedCourse? in
            guard let seen = peers.observation(of: record.number), let status = seen.status,
                let heardAt = seen.heardAt, status.lineage == state.lineage,
                now - min(heardAt.rawValue, now)
                    < UInt64(Node.observationAgeMax.wholeMilliseconds)
            else { return nil }
            var course = status.courses.first { $0.id == id }
            course?.at = heardAt
            return course
        }.first
    }
}

extension OperationTracker {
    /// Of every operation that was followed here.
    var courses: [(id: String, course: Course)] {
        tracked.withLock { $0.byID.map { ($0.key, $0.value) } }
    }
}
