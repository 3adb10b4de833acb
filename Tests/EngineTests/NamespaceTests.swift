import Engine
import Log
import Platform
import Testing

@Suite struct NamespaceTests {
    @Test func `ids are never used twice, also across a restart`() throws {
        let directory = try TestDirectory()
        var (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a", "b")
        #expect(try engine.namespace("a").record.id.rawValue == 2)
        #expect(try engine.namespace("b").record.id.rawValue == 3)
        try committer.put("b", "k", "old")
        try committer.done(DeleteNamespace(name: "b"))
        committer.stop(until: soon)
        (engine, _) = try Engine.reopen(try directory.copy(of: engine))
        committer = engine.nextCommitter()
        try committer.create("b")
        #expect(try engine.namespace("b").record.id.rawValue == 4)
        #expect(try engine.contents("b").isEmpty)
        #expect(try engine.namespace("b").currentUsage == Usage())
        committer.stop(until: soon)
    }

    @Test func `namespaces are made all or none`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("b")
        func create(_ names: NamespaceName...) -> CreateNamespaces {
            CreateNamespaces(names.map { NamespaceSeed(name: $0) })
        }
        #expect(committer.refusal(create("a", "b")) == .namespacesExist([1: "b"]))
        #expect(committer.refusal(create("c", "c")) == .namespacesExist([1: "c"]))
        #expect(engine.state.catalog.namespaceCount == 2)
        committer.stop(until: soon)
    }

    @Test func `a rename keeps data, counters and tokens`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let token = TokenSeed(lookupID: "abc", algorithm: "sha256", hash: [1])
        try committer.done(CreateNamespaces([NamespaceSeed(name: "old", token: token)]))
        try committer.put("old", "k", "v")
        let id = try engine.namespace("old").record.id
        var rename = UpdateNamespace(name: "old")
        rename.newName = .set("new")
        try committer.done(rename)
        #expect(engine.state.catalog.namespace(named: "old") == nil)
        #expect(try engine.value("new", "k") == "v")
        #expect(try engine.namespace("new").record.id == id)
        #expect(try engine.namespace("new").currentUsage == Usage(keys: 1, bytes: 2))
        #expect(engine.state.catalog.tokens["abc"]?.namespace == id)
        #expect(committer.refusal(rename) == .namespaceNotFound("old"))
        rename.name = "new"
        rename.newName = .set(.default)
        #expect(committer.refusal(rename) == .namespaceExists(.default))
        // The name that was given up is another, empty namespace.
        try committer.create("old")
        #expect(try engine.contents("old").isEmpty)
        committer.stop(until: soon)
    }

    @Test func `default can be neither renamed nor deleted`() throws {
        let directory = try TestDirectory()
        let (_, committer) = try Engine.found(in: directory.incarnation)
        var rename = UpdateNamespace(name: .default)
        rename.newName = .set("other")
        #expect(committer.refusal(rename) == .namespaceIsPermanent(.default))
        #expect(
            committer.refusal(DeleteNamespace(name: .default)) == .namespaceIsPermanent(.default))
        committer.stop(until: soon)
    }

    @Test func `namespaces are listed by the bytes of their names, in pages`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("b", "a.b", "a-b", "a_b", "a", "a0")
        try committer.done(DeleteNamespace(name: "a0"))
        var rename = UpdateNamespace(name: "b")
        rename.newName = .set("a1")
        try committer.done(rename)
        func list(after: String? = nil, prefix: String = "", max: Int = 10) -> [String] {
            engine.state.catalog.namespaces(after: after, prefix: prefix, countMax: max)
                .map(\.record.name.rawValue)
        }
        #expect(list() == ["a", "a-b", "a.b", "a1", "a_b", "default"])
        #expect(list(max: 2) == ["a", "a-b"])
        #expect(list(after: "a-b", max: 2) == ["a.b", "a1"])
        #expect(list(after: "a0", prefix: "a") == ["a1", "a_b"])
        #expect(list(after: "zzz") == [])
        #expect(list(prefix: "def") == ["default"])
        committer.stop(until: soon)
    }

    /// Whatever a state keeps of a catalog record is what the log says, in every order of changes.
    @Test func `operations end, and the oldest that have ended go first`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        func operation(_ number: Int, _ state: OperationRecord.State) -> PutOperation {
            PutOperation(
                OperationRecord(
                    id: "op\(number)", type: "add-node", state: state, subject: "n2",
                    createdAt: UnixMilliseconds(
                        rawValue: UnixMilliseconds.now().rawValue - 1_000 + UInt64(number)),
                    createdBy: "test", errorCode: state == .failed ? "timeout" : nil))
        }
        try committer.done(operation(1, .running))
        try committer.done(operation(1, .failed))
        #expect(engine.state.catalog.operations["op1"]?.state == .failed)
        // One that ended 31 days ago goes with the next change.
        var old = operation(2, .succeeded).record
        old.createdAt = UnixMilliseconds(
            rawValue: old.createdAt.rawValue - 31 * 24 * 3_600_000)
        try committer.done(PutOperation(old))
        try committer.done(operation(3, .running))
        #expect(engine.state.catalog.operations.keys.sorted() == ["op1", "op3"])
        committer.stop(until: soon)
    }
}

extension TestDirectory {
    /// What `kill -9` would leave of an engine that runs.
    func copy(of engine: Engine, _ name: String = "copy") throws -> Incarnation {
        let copy = Incarnation(path: "\(path)/\(name)")
        try FileSystem.removeTree(copy.path)
        try copyTree(engine.incarnation.path, to: copy.path)
        return copy
    }
}
