import Log
import Platform
import Testing

@testable import Engine

@Suite struct QuotaTests {
    /// Whatever writers do at once, nothing is ever above the quota, and what was refused for it had no
    /// place: at the end the namespace is full to the key, and to the byte.
    @Test func `quotas are exact with sixteen writers that put, batch and delete`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let limits = Usage(keys: 60, bytes: 900)
        try committer.done(
            CreateNamespaces([
                NamespaceSeed(name: "keys", quotaKeys: limits.keys),
                NamespaceSeed(name: "size", quotaBytes: limits.bytes),
            ]))
        let excess = Monitor<[String]>([])
        engine.observe { state in
            let keys = state.catalog.namespace(named: "keys")?.currentUsage.keys ?? 0
            let bytes = state.catalog.namespace(named: "size")?.currentUsage.bytes ?? 0
            if keys > limits.keys || bytes > limits.bytes {
                excess.withLock { $0.append("\(keys) keys, \(bytes) bytes") }
            }
        }
        let counts = Monitor((done: 0, refused: 0, deleted: 0, other: 0))
        inParallel(16) { thread in
            var random = SplitMix64(seed: UInt64(thread))
            func key() -> [UInt8] { bytes("k\(UInt8.random(in: 0..<120, using: &random))") }
            func put() -> KeyWrite {
                .put(key: key(), value: random.bytes(Int.random(in: 0...40, using: &random)))
            }
            for turn in 0..<120 {
                let name: NamespaceName = turn.isMultiple(of: 2) ? "keys" : "size"
                let writes: [KeyWrite]
                switch Int.random(in: 0..<4, using: &random) {
                case 0: writes = [.delete(key: key())]
                case 1: writes = [put(), .delete(key: key()), put(), put()]
                default: writes = [put()]
                }
                let isDelete = writes.count == 1 && writes[0] == .delete(key: writes[0].key)
                switch committer.commit(WriteKeys(namespace: name, writes: writes)) {
                case .success: counts.withLock { isDelete ? ($0.deleted += 1) : ($0.done += 1) }
                case .failure(.refused(.quotaExceeded)) where !isDelete:
                    counts.withLock { $0.refused += 1 }
                case .failure, nil: counts.withLock { $0.other += 1 }
                }
            }
        }
        let found = counts.withLock { $0 }
        #expect(found.other == 0, "a delete always works, and nothing else is refused")
        #expect(found.refused > 100)
        #expect(found.deleted > 100)
        #expect(excess.withLock { $0 } == [])

        for name: NamespaceName in ["keys", "size"] {
            let contents = try engine.contents(name)
            let total = contents.reduce(0) { $0 + $1.key.count + $1.value.bytes.count }
            #expect(
                try engine.namespace(name).currentUsage
                    == Usage(keys: UInt64(contents.count), bytes: UInt64(total)))
        }
        // Full to the key: as many as there is room for, and not one more.
        let keys = try engine.namespace("keys").currentUsage.keys
        for number in 0..<(limits.keys - keys) { try committer.put("keys", "new\(number)", "v") }
        let more = WriteKeys(namespace: "keys", writes: [.put(key: bytes("more"), value: [])])
        #expect(
            committer.refusal(more)
                == .quotaExceeded(quota: "quota_keys", limit: limits.keys, used: limits.keys))
        // Full to the byte.
        let left = limits.bytes - (try engine.namespace("size").currentUsage.bytes)
        if left >= 3 {
            try committer.put("size", "new", String(repeating: "v", count: Int(left) - 3))
            let byte = WriteKeys(namespace: "size", writes: [.put(key: bytes("x"), value: [])])
            #expect(
                committer.refusal(byte)
                    == .quotaExceeded(quota: "quota_bytes", limit: limits.bytes, used: limits.bytes)
            )
        }
        // Deletes work at the limit.
        try committer.done(WriteKeys(namespace: "keys", writes: [.delete(key: bytes("k1"))]))
        committer.stop(until: soon)
    }
}
