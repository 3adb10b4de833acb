import Engine
import Platform

/// Removes what has expired, as the primary; one thread.
///
/// A million values that expire in the same second go in entries of some hundred, with a rest after
/// each, so that other writers come in between.
struct ExpirySweep: Sendable {
    private var cursor = ExpiryCursor()
    private weak var engine: Engine?
    /// The right to append changes with the reign: whoever had it before left the rest to the next.
    private weak var committer: Committer?

    /// Lines of the next batch: as many as take about ``batchTime``, for keys may be long and values large.
    private var countMax = ExpireKeys.countMax
    private static let batchTime: Duration = .milliseconds(8)
    /// Of the time that a batch took, so long do the others have the committer for themselves.
    private static let restPerBatch = 1.0
    private static let restMin: Duration = .milliseconds(1)
    private static let commitTimeout: Duration = .seconds(5)
    /// Lines that are not due are looked at for flushed namespaces, so many in each round.
    private static let staleLookMax = 1_024

    /// Goes on until nothing is due, this node is not primary, or `isOver`.
    mutating func run(_ node: Node, isOver: () -> Bool) {
        guard let engine = node.engine, let committer = node.state.committer else { return }
        if engine !== self.engine || committer !== self.committer {
            cursor = ExpiryCursor()
            self.engine = engine
            self.committer = committer
        }
        do {
            while !isOver(), node.state.committer === committer {
                let start = MonotonicTime.now()
                let due = try engine.dueLines(
                    cursor, countMax: countMax, bytesMax: ExpireKeys.bytesMax)
                if due.isEmpty { break }
                guard commit(due, node) else { return }
                cursor.pass(due)
                let took = MonotonicTime.now() - start
                adapt(to: took)
                let rest = max(ExpirySweep.restMin, took * ExpirySweep.restPerBatch)
                _ = Monitor(()).wait(until: .now() + rest) { _ -> Void? in nil }
            }
            let stale = try engine.staleLines(&cursor, countMax: ExpirySweep.staleLookMax)
            for first in stride(from: 0, to: stale.count, by: ExpireKeys.countMax) {
                let last = min(first + ExpireKeys.countMax, stale.count)
                guard commit(Array(stale[first..<last]), node) else {
                    // The walk has passed them: it begins anew.
                    return cursor = ExpiryCursor()
                }
            }
        } catch {
            node.log(.error, "cannot remove what has expired", ["error": "\(error)"])
        }
    }

    private mutating func adapt(to took: Duration) {
        if took > ExpirySweep.batchTime {
            countMax = max(1, countMax / 2)
        } else if took < ExpirySweep.batchTime / 2 {
            countMax = min(ExpireKeys.countMax, countMax * 2)
        }
    }

    private func commit(_ lines: [ExpiryKey], _ node: Node) -> Bool {
        let outcome = node.commit(ExpireKeys(lines), until: .now() + ExpirySweep.commitTimeout)
        if case .success? = outcome { return true }
        return false
    }
}
