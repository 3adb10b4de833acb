import Engine
import Log
import Platform
import Replication

/// What becomes of an attempt to cancel an operation.
public enum CancelOutcome: Equatable, Sendable {
    case cancelling
    /// It has ended, or its handover is being appended.
    case tooLate
    /// Operations of this type cannot be taken back; what undoes them.
    case impossible(String)
}

/// The planned switchover that this node runs: one at a time.
extension OperationTracker {
    /// False while another one runs.
    func beginSwitchover(_ id: String) -> Bool {
        tracked.withLock { tracked in
            guard tracked.switchover == nil else { return false }
            tracked.switchover = Switchover(id: id)
            return true
        }
    }

    func endSwitchover() { tracked.withLock { $0.switchover = nil } }

    func enter(_ id: String, _ step: String, deadline: MonotonicTime?) {
        tracked.withLock { tracked in
            var course = tracked.byID[id] ?? Course(steps: OperationTracker.switchoverSteps())
            course.enter(step, deadline: deadline?.wallClock, at: .now())
            tracked.byID[id] = course
        }
    }

    /// How far the candidate is.
    func note(_ id: String, applied: LogIndex, of target: LogIndex) {
        tracked.withLock {
            $0.byID[id]?.progress = OperationView.Progress(
                done: min(applied, target).rawValue, total: target.rawValue, unit: "entries")
        }
    }

    /// The steps of an operation that this node runs.
    func steps(of id: String) -> [OperationView.Step] {
        tracked.withLock { $0.byID[id]?.steps ?? [] }
    }

    /// - Returns: The step that it was at.
    func end(_ id: String, _ state: OperationRecord.State) -> String? {
        tracked.withLock { $0.byID[id]?.end(state) }
    }

    /// How long this node took from a handover's entry to the right to append.
    func noteTakeOver(_ duration: Duration) { tracked.withLock { $0.takeOver = duration } }

    var runsSwitchover: Bool { tracked.withLock { $0.switchover != nil } }

    /// Who has cancelled the switchover `id`; nil: nobody.
    func canceller(of id: String) -> Credential? {
        tracked.withLock { $0.switchover?.id == id ? $0.switchover?.canceller : nil }
    }

    /// From here on it cannot be cancelled any more. False when it has been.
    func closeSwitchover(_ id: String) -> Bool {
        tracked.withLock { tracked in
            guard tracked.switchover?.id == id, tracked.switchover?.canceller == nil else {
                return false
            }
            tracked.switchover?.isClosed = true
            return true
        }
    }

    /// Gives up the switchover `id`, if its handover is not being appended yet.
    func cancelSwitchover(_ id: String, by canceller: Credential) -> CancelOutcome {
        tracked.withLock { tracked in
            guard let running = tracked.switchover, running.id == id, !running.isClosed else {
                return .tooLate
            }
            if running.canceller == nil { tracked.switchover?.canceller = canceller }
            return .cancelling
        }
    }

    private static func switchoverSteps() -> [OperationView.Step] {
        steps(of: "switchover", createdAt: .now())
    }
}
