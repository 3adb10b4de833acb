import Platform
import Testing

@testable import Engine

@Suite struct SoftQuotaTests {
    private struct Told: Equatable {
        let name: NamespaceName
        let after: SoftQuotas
        let keys: UInt64
    }

    private func listen(to engine: Engine) -> Monitor<[Told]> {
        let told = Monitor<[Told]>([])
        engine.listen { entries in
            for case .softQuotas(let record, _, let after, let usage) in entries.flatMap(\.all) {
                told.withLock {
                    $0.append(Told(name: record.name, after: after, keys: usage.keys))
                }
            }
        }
        return told
    }

    @Test func `a soft quota is told when it is crossed and when use has fallen back`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let told = listen(to: engine)
        try committer.done(CreateNamespaces([NamespaceSeed(name: "a", softQuotaKeys: 40)]))
        func put(_ number: Int) throws { try committer.put("a", "k\(number)", "v") }
        func delete(_ number: Int) throws {
            let write = KeyWrite.delete(key: bytes("k\(number)"))
            try committer.done(WriteKeys(namespace: "a", writes: [write]))
        }
        for number in 1...40 { try put(number) }
        #expect(told.withLock { $0 } == [], "at the quota is not above it")
        #expect(try engine.namespace("a").exceededSoftQuotas == [])
        try put(41)
        #expect(told.withLock { $0 } == [Told(name: "a", after: .keys, keys: 41)])
        // Up and down at the limit is not told again and again.
        for _ in 0..<10 {
            try delete(41)
            try put(41)
        }
        for number in 39...41 { try delete(number) }
        #expect(told.withLock { $0.count } == 2)
        #expect(told.withLock { $0.last } == Told(name: "a", after: [], keys: 38))
        #expect(try engine.namespace("a").exceededSoftQuotas == [])
        committer.stop(until: soon)
    }

    @Test func `a small soft quota does not flap either`() {
        let record = NamespaceRecord(
            id: NamespaceID(rawValue: 2), name: "a", createdAt: UnixMilliseconds(rawValue: 1),
            softQuotaKeys: 3, softQuotaBytes: 0)
        func exceeded(_ keys: UInt64, _ bytes: UInt64, _ before: SoftQuotas) -> SoftQuotas {
            SoftQuotas.exceeded(
                by: Usage(keys: keys, bytes: bytes), of: record, before: before)
        }
        #expect(exceeded(3, 0, []) == [])
        #expect(exceeded(4, 1, []) == [.keys, .bytes])
        #expect(exceeded(3, 1, [.keys, .bytes]) == [.keys, .bytes])
        #expect(exceeded(2, 0, [.keys, .bytes]) == [])
    }

    @Test func `a soft quota counts from when it is set, and of what a restart finds`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let told = listen(to: engine)
        try committer.create("a")
        try committer.put("a", "k", "12345")
        var change = UpdateNamespace(name: "a")
        change.softQuotaBytes = .set(5)
        try committer.done(change)
        #expect(told.withLock { $0 } == [Told(name: "a", after: .bytes, keys: 1)])
        try engine.flush()
        committer.stop(until: soon)

        let (again, _) = try Engine.reopen(try directory.copy(of: engine))
        #expect(try again.namespace("a").exceededSoftQuotas == .bytes)
        let next = again.nextCommitter()
        let later = listen(to: again)
        try next.done(FlushNamespace(name: "a"))
        #expect(later.withLock { $0 } == [Told(name: "a", after: [], keys: 0)])
        next.stop(until: soon)
    }

    @Test func `the hard quota refuses what the soft one lets pass`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.done(
            CreateNamespaces([NamespaceSeed(name: "a", quotaKeys: 2, softQuotaKeys: 1)]))
        try committer.put("a", "1", "v")
        try committer.put("a", "2", "v")
        #expect(try engine.namespace("a").exceededSoftQuotas == .keys)
        let third = WriteKeys(namespace: "a", writes: [.put(key: bytes("3"), value: [])])
        #expect(
            committer.refusal(third) == .quotaExceeded(quota: "quota_keys", limit: 2, used: 2))
        committer.stop(until: soon)
    }
}
