import Engine
import JSON
import Platform

extension OperationTracker {
    /// The steps of one operation, as far as this node has seen them. Pure.
    struct Course {
        var steps: [OperationView.Step]
        var progress: OperationView.Progress?
        var isEnding = false

        mutating func enter(_ name: String, deadline: UnixMilliseconds?, at now: UnixMilliseconds) {
            guard let place = steps.firstIndex(where: { $0.name == name }) else { return }
            for earlier in steps.indices where earlier < place {
                steps[earlier].state = "succeeded"
            }
            if steps[place].state == "pending" {
                steps[place].state = "running"
                steps[place].startedAt = now
                steps[place].deadlineAt = deadline
            }
        }

        func hasBegun(_ name: String) -> Bool {
            steps.contains { $0.name == name && $0.state != "pending" }
        }

        /// What runs ends as the operation does; what has not begun is skipped.
        ///
        /// - Returns: The step that it was at; nil when it has succeeded.
        @discardableResult
        mutating func end(_ state: OperationRecord.State) -> String? {
            isEnding = true
            guard state != .succeeded else {
                for place in steps.indices { steps[place].state = "succeeded" }
                return nil
            }
            // Ended twice, it stays as it was; between two steps, it was about to begin the next.
            let last =
                steps.firstIndex { ["running", "failed", "cancelled"].contains($0.state) }
                ?? steps.firstIndex { $0.state == "pending" }
            steps = OperationTracker.ended(steps, at: last, state)
            return last.map { steps[$0].name }
        }
    }

    /// The steps before `last` are done, those after it were never begun.
    static func ended(
        _ steps: [OperationView.Step], at last: Int?, _ state: OperationRecord.State
    ) -> [OperationView.Step] {
        var steps = steps
        for place in steps.indices {
            guard let last else {
                steps[place].state = place == 0 ? "succeeded" : "unknown"
                continue
            }
            if place > last {
                steps[place].state = "skipped"
            } else if place < last {
                steps[place].state = "succeeded"
            } else {
                steps[place].state = state == .cancelled ? "cancelled" : "failed"
            }
        }
        return steps
    }

    /// As this node knows it: by its own course, by what the node tells that runs it, or by what the
    /// record says. With `runsHere` it is this node's to run, which has just not come to it.
    func view(
        of record: OperationRecord, relayed: RelayedCourse? = nil, runsHere: Bool = false
    ) -> OperationView {
        let course = tracked.withLock { $0.byID[record.id] }
        let result = OperationResult.parse(record.result)
        let kept = OperationResult.steps(result)
        var steps = course?.steps ?? kept ?? OperationTracker.steps(of: record)
        var progress = course?.progress
        var observedAt: UnixMilliseconds? = .now()
        switch record.state {
        case .running:
            guard course == nil else { break }
            if let relayed {
                (steps, progress, observedAt) = (relayed.steps, relayed.progress, relayed.at)
            } else if !runsHere {
                observedAt = nil
                for place in steps.indices where steps[place].state == "pending" {
                    steps[place].state = "unknown"
                }
            }
        case .succeeded:
            for place in steps.indices { steps[place].state = "succeeded" }
        case .failed, .cancelled:
            if var course, !course.isEnding {
                course.end(record.state)
                steps = course.steps
            } else if course == nil, kept == nil {
                let step = result?["step"]?.stringValue
                steps = OperationTracker.ended(
                    steps, at: steps.firstIndex { $0.name == step }, record.state)
            }
        }
        return OperationView(
            record: record, isNodeLocal: isNodeLocal(record.id), steps: steps, progress: progress,
            result: record.state == .succeeded ? OperationResult.shown(result) : nil,
            vetoes: record.state == .failed ? result?["vetoes"] : nil, observedAt: observedAt)
    }

    static func steps(of record: OperationRecord) -> [OperationView.Step] {
        steps(of: record.type, createdAt: record.createdAt)
    }

    static func steps(
        of type: String, createdAt: UnixMilliseconds
    ) -> [OperationView.Step] {
        let names =
            switch type {
            case "add-node": ["append", "adopt", "sync"]
            case "failover": ["look", "promises", "tail", "reign", "spread"]
            case "fork": ["fork"]
            case "reclaim": ["reclaim"]
            case "rollback": ["append", "converge"]
            case "switchover": ["begin", "catch-up", "hold", "handover", "spread"]
            default: ["request", "sync"]
            }
        // An operation that is an entry has done its first step with it; the others are at theirs.
        let first = ["failover", "fork", "reclaim"].contains(type) ? "running" : "succeeded"
        return names.enumerated().map { place, name in
            OperationView.Step(
                name: name, state: place == 0 ? first : "pending",
                startedAt: place == 0 ? createdAt : nil, deadlineAt: nil)
        }
    }
}
