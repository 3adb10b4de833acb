import Engine
import Platform
import Topology

/// Operations of a node without the right to append: a failover is one until its reign is open.
extension OperationTracker {
    /// Kept after they have failed, for whoever asks.
    private static let localMax = 64

    /// False while another one runs.
    func beginLocal(_ record: OperationRecord) -> Bool {
        tracked.withLock { tracked in
            guard !tracked.local.values.contains(where: { $0.state == .running }) else {
                return false
            }
            if tracked.local.count >= OperationTracker.localMax,
                let oldest = tracked.local.values.min(by: { $0.createdAt < $1.createdAt })
            {
                tracked.local[oldest.id] = nil
                tracked.byID[oldest.id] = nil
            }
            tracked.local[record.id] = record
            tracked.byID[record.id] = Course(steps: OperationTracker.steps(of: record))
            return true
        }
    }

    var runsLocal: Bool {
        tracked.withLock { $0.local.values.contains { $0.state == .running } }
    }

    func enterLocal(_ id: String, _ step: String) {
        tracked.withLock { $0.byID[id]?.enter(step, deadline: nil, at: .now()) }
    }

    func failLocal(
        _ id: String, code: String, detail: String, _ vetoes: [ChangePlan.Finding] = []
    ) {
        tracked.withLock { tracked in
            let step = tracked.byID[id]?.end(.failed)
            tracked.local[id]?.state = .failed
            tracked.local[id]?.finishedAt = .now()
            tracked.local[id]?.errorCode = code
            tracked.local[id]?.errorDetail = detail
            tracked.local[id]?.result = OperationResult.text(
                OperationResult.ended(at: step, vetoes: vetoes),
                with: tracked.byID[id]?.steps ?? [])
        }
    }

    /// It is in the log now, or was not begun.
    func endLocal(_ id: String) {
        tracked.withLock { tracked in
            tracked.local[id] = nil
            _ = tracked.byID[id]?.end(.succeeded)
        }
    }

    /// Keeps the end of an operation that the log will not have.
    func keepLocal(_ record: OperationRecord) {
        tracked.withLock { tracked in
            if tracked.local.count >= OperationTracker.localMax,
                let oldest = tracked.local.values.filter({ $0.state != .running })
                    .min(by: { $0.createdAt < $1.createdAt })
            {
                tracked.local[oldest.id] = nil
            }
            tracked.local[record.id] = record
        }
    }

    /// They were of another cluster.
    func forgetLocal() { tracked.withLock { $0.local = [:] } }

    var localRecords: [OperationRecord] { tracked.withLock { Array($0.local.values) } }
}
