import Engine
import Platform

/// Operations by which a node looks after itself. Nobody asked for them and nobody waits for another
/// node's, so they are in no log and no file: a restart forgets them.
extension OperationTracker {
    /// Kept after they have ended.
    static let upkeepMax = 16

    /// Begins one; `total` is what there is to do.
    func beginUpkeep(_ record: OperationRecord, total: UInt64, unit: String) {
        tracked.withLock { tracked in
            while tracked.upkeep.count >= OperationTracker.upkeepMax {
                tracked.byID[tracked.upkeep.removeFirst().id] = nil
            }
            tracked.upkeep.append(record)
            var course = Course(steps: OperationTracker.steps(of: record))
            course.progress = OperationView.Progress(done: 0, total: total, unit: unit)
            tracked.byID[record.id] = course
        }
    }

    /// How far it is. What there is to do may have grown meanwhile; what is done never shrinks.
    func noteUpkeep(_ id: String, done: UInt64, left: UInt64) {
        tracked.withLock { tracked in
            // Who looked before its end may tell of it after.
            guard tracked.upkeep.contains(where: { $0.id == id && $0.state == .running }),
                var progress = tracked.byID[id]?.progress
            else { return }
            progress.done = max(progress.done, done)
            progress.total = progress.done + left
            tracked.byID[id]?.progress = progress
        }
    }

    /// Ends it; a code says why it failed.
    func endUpkeep(
        _ id: String, result: String?, failure: (code: String, detail: String)? = nil
    ) {
        tracked.withLock { tracked in
            guard let place = tracked.upkeep.firstIndex(where: { $0.id == id }) else { return }
            tracked.upkeep[place].state = failure == nil ? .succeeded : .failed
            tracked.upkeep[place].finishedAt = .now()
            tracked.upkeep[place].result = result
            tracked.upkeep[place].errorCode = failure?.code
            tracked.upkeep[place].errorDetail = failure?.detail
            tracked.byID[id]?.end(failure == nil ? .succeeded : .failed)
        }
    }

    /// Whether the log does not have it: other nodes know of it only by asking this one.
    func isNodeLocal(_ id: String) -> Bool {
        tracked.withLock { tracked in
            tracked.local[id] != nil || tracked.upkeep.contains { $0.id == id }
        }
    }

    var upkeepRecords: [OperationRecord] { tracked.withLock { $0.upkeep } }
}
