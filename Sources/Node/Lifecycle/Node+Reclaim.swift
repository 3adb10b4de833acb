import Engine
import JSON
import Platform
import Topology

/// Giving back the space of flushed and deleted namespaces, as an operation that can be looked at.
///
/// One runs at a time, for all that there is: a namespace that is flushed each 50 ms makes no more of
/// them. What is less than ``reclaimBytesMin`` is given back without one.
extension Node {
    /// Less is given back within a second, and not worth telling.
    static let reclaimBytesMin: UInt64 = 8 << 20

    /// On a thread of its own: it may take long.
    func reclaimSpace() {
        guard let engine, engine.isReclaimDue else { return }
        let (start, before) = (MonotonicTime.now(), engine.reclaimStatus.reclaimedBytes)
        let id = beginReclaim(engine)
        do {
            try engine.reclaimSpace()
            try engine.measureReclaim(isUrgent: true)
            let bytes = engine.reclaimStatus.reclaimedBytes - before
            if let id { endReclaim(id, engine, bytes) }
            guard bytes > 0 else { return }
            log(
                .info, "the space of flushed or removed namespaces is free again",
                ["bytes": "\(bytes)", "took": "\(MonotonicTime.now() - start)"])
        } catch {
            log(.error, "cannot give space back", ["error": "\(error)"])
            guard let id else { return }
            tracker.endUpkeep(
                id, result: nil,
                failure: (
                    "storage-failed", "the space cannot be given back; the node's log says why"
                ))
            reclaiming.withLock { $0 = nil }
        }
    }

    /// Looked at by the housekeeping while the space comes back.
    func noteReclaimProgress() {
        guard let engine, let reclaim = reclaiming.withLock({ $0 }), reclaim.engine === engine
        else {
            return
        }
        let status = engine.reclaimStatus
        let done = status.reclaimedBytes - reclaim.reclaimedBefore
        // Of a namespace that is being compacted it is known only what is left.
        let shrunk = reclaim.total > status.pendingBytes ? reclaim.total - status.pendingBytes : 0
        tracker.noteUpkeep(reclaim.id, done: max(done, shrunk), left: status.pendingBytes)
    }

    private func beginReclaim(_ engine: Engine) -> String? {
        // A failure is met again by the work itself, and told there.
        try? engine.measureReclaim(isUrgent: true)
        let status = engine.reclaimStatus
        guard status.pendingBytes >= Node.reclaimBytesMin else { return nil }
        let record = OperationRecord(
            id: "reclaim-\(String(UInt64.random(in: 0...UInt64.max), radix: 16))", type: "reclaim",
            state: .running, subject: name.rawValue,
            createdAt: .now(), createdBy: "node:\(name)")
        reclaiming.withLock {
            $0 = RunningReclaim(
                id: record.id, engine: engine, total: status.pendingBytes,
                reclaimedBefore: status.reclaimedBytes)
        }
        tracker.beginUpkeep(record, total: status.pendingBytes, unit: "bytes")
        events.poke()
        return record.id
    }

    private func endReclaim(_ id: String, _ engine: Engine, _ bytes: UInt64) {
        let left = engine.reclaimStatus.pendingBytes
        tracker.noteUpkeep(id, done: bytes, left: left)
        reclaiming.withLock { $0 = nil }
        if engine.isReclaimStopped {
            tracker.endUpkeep(
                id, result: nil,
                failure: (
                    "state-replaced",
                    "the node stops, or a full sync has replaced the state whose space this was"
                ))
        } else {
            let result: JSONValue = [
                "reclaimed_bytes": JSONValue(bytes), "left_bytes": JSONValue(left),
            ]
            tracker.endUpkeep(id, result: String(decoding: result.serialized(), as: UTF8.self))
        }
        events.poke()
    }
}

/// The operation that gives space back now.
struct RunningReclaim: Sendable {
    let id: String
    let engine: Engine
    /// Bytes, as it began.
    let total: UInt64
    let reclaimedBefore: UInt64
}
