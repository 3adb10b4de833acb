import Platform
import Replication

/// What an operator sets for this node alone: kept in `node.json`, in force at once.
extension Node {
    /// Limits the full syncs that this node receives, the running one too; nil: what it was started
    /// with holds again. On disk before `completion` is called, with why it could not be done, if so.
    public func limitFullSync(
        bytesPerSecondMax rate: UInt64?, changedBy: String,
        completion: @escaping @Sendable (String?) -> Void
    ) {
        let isQueued = control.enqueue { [self] in
            do {
                try state.factsFile.change { $0.fullSyncBytesPerSecondMax = rate }
            } catch {
                return completion("cannot write node.json: \(error)")
            }
            session?.rateChanged()
            log(
                .info, "the limit of a full sync was set",
                [
                    "bytes_per_second": rate.map { "\($0)" } ?? "as started",
                    "in_force": state.fullSyncBytesPerSecondMax.map { "\($0)" } ?? "none",
                    "by": changedBy,
                ])
            waits.poke()
            completion(nil)
        }
        if !isQueued { completion("the node is stopping") }
    }
}

extension NodeState {
    /// How fast a full sync may be received; nil: as fast as it comes.
    var fullSyncBytesPerSecondMax: UInt64? {
        facts.fullSyncBytesPerSecondMax ?? options.fullSyncBytesPerSecondMax
    }
}
