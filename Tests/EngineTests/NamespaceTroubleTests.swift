import Platform
import Testing

@testable import Engine

@Suite struct NamespaceTroubleTests {
    private func trouble(
        keys: UInt64 = 0, bytes: UInt64 = 0, _ change: (inout NamespaceRecord) -> Void
    ) -> NamespaceTrouble {
        var record = NamespaceRecord(
            id: NamespaceID(rawValue: 2), name: "a", createdAt: UnixMilliseconds(rawValue: 1))
        change(&record)
        return NamespaceTrouble.of(record, Usage(keys: keys, bytes: bytes))
    }

    @Test
    func `a quota is nearly used up in its last fifth, and used up when the next key is refused`() {
        #expect(trouble(keys: 79) { $0.quotaKeys = 100 } == [])
        #expect(trouble(keys: 80) { $0.quotaKeys = 100 } == .quotaKeysNearlyUsedUp)
        #expect(trouble(keys: 99) { $0.quotaKeys = 100 } == .quotaKeysNearlyUsedUp)
        #expect(trouble(keys: 100) { $0.quotaKeys = 100 } == .quotaKeysUsedUp)
        #expect(trouble { $0.quotaKeys = 0 } == .quotaKeysUsedUp)
        // Of bytes something is always left.
        #expect(trouble(bytes: 994) { $0.quotaBytes = 1_000 } == .quotaBytesNearlyUsedUp)
        #expect(trouble(bytes: 995) { $0.quotaBytes = 1_000 } == .quotaBytesUsedUp)
    }

    @Test func `words are read as they were written`() {
        for trouble in NamespaceTrouble.all {
            #expect(trouble.words.count == 1)
            #expect(NamespaceTrouble(words: trouble.words) == trouble)
        }
        #expect(NamespaceTrouble(words: ["of-a-later-version"]) == [])
        #expect(
            trouble(keys: 9) {
                $0.isReadOnly = true
                $0.softQuotaKeys = 8
            }.words == ["read-only", "soft-quota-keys-exceeded"])
    }

    @Test func `trouble comes and goes with the writes, since the entry that brought it`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.done(CreateNamespaces([NamespaceSeed(name: "a", quotaKeys: 1)]))
        #expect(try engine.namespace("a").trouble == [])
        try committer.put("a", "k", "v")
        let since = engine.state.header.time
        #expect(try engine.namespace("a").trouble == .quotaKeysUsedUp)
        #expect(try engine.namespace("a").troubleSince == since)
        var change = UpdateNamespace(name: "a")
        change.isReadOnly = .set(true)
        try committer.done(change)
        #expect(try engine.namespace("a").trouble == [.quotaKeysUsedUp, .readOnly])
        #expect(
            engine.state.catalog.namespaces(in: NamespaceTrouble.all, countMax: 9).first.count == 1)
        let counted = engine.state.catalog.namespaces(in: [.usedUp, .readOnly], countMax: 9)
        #expect(counted.counts == [1, 1])
        #expect(counted.worst == [1, 0], "once, as the worst that it is in")
        #expect(try engine.namespace("a").troubleSince == since, "of the worst of it")
        var quota = UpdateNamespace(name: "a")
        quota.quotaKeys = .set(nil)
        try committer.done(quota)
        #expect(try engine.namespace("a").trouble == .readOnly)
        #expect(try engine.namespace("a").troubleSince == nil, "it was there before, and hidden")
        quota.quotaKeys = .set(1)
        try committer.done(quota)
        #expect(try engine.namespace("a").troubleSince == engine.state.header.time)

        // A restart finds the trouble, and not since when.
        try engine.flush()
        committer.stop(until: soon)
        let again = try Engine.reopen(try directory.copy(of: engine)).engine
        let next = again.nextCommitter()
        #expect(try again.namespace("a").trouble == [.quotaKeysUsedUp, .readOnly])
        #expect(try again.namespace("a").troubleSince == nil)
        change.isReadOnly = .set(false)
        change.quotaKeys = .set(nil)
        try next.done(change)
        #expect(try again.namespace("a").trouble == [])
        next.stop(until: soon)
    }

    @Test func `a namespace that comes back under its name is in no trouble`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.done(CreateNamespaces([NamespaceSeed(name: "a", quotaKeys: 0)]))
        try committer.done(UpdateNamespace(name: "a"))
        try committer.done(DeleteNamespace(name: "a"))
        try committer.create("a")
        #expect(try engine.namespace("a").trouble == [])
        #expect(
            engine.state.catalog.namespaces(in: NamespaceTrouble.all, countMax: 9).first.isEmpty)
        committer.stop(until: soon)
    }
}
