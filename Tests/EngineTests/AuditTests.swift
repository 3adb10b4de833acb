import Log
import Platform
import RocksDB
import Testing
import Topology

@testable import Engine

@Suite struct AuditTests {
    private let admin = ChangeAuthor(who: "token:abc", address: "10.0.0.1", reason: "because")

    private func admitted<C: Change>(_ change: C) -> Admitted<C> {
        Admitted(change, by: Credential(tokenID: nil, author: admin))
    }

    @Test func `each change of the catalog has its record in its own entry`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let token = TokenSeed(lookupID: "tok", algorithm: "sha256", hash: bytes("never shown"))
        let made = try committer.committed(
            admitted(CreateNamespaces([NamespaceSeed(name: "a", quotaKeys: 5, token: token)])))
        var change = UpdateNamespace(name: "a")
        change.quotaKeys = .set(nil)
        change.isReadOnly = .set(true)
        try committer.done(admitted(change))
        change.isReadOnly = .set(false)
        try committer.done(change)
        try committer.put("a", "k", "v")
        try committer.done(admitted(FlushNamespace(name: "a")))
        try committer.done(Barrier())
        try committer.done(admitted(DeleteNamespace(name: "a")))

        let records = try engine.auditRecords(below: nil, countMax: 100).reversed()
        #expect(records.map(\.number) == Array(1...UInt64(records.count)))
        #expect(
            records.map(\.action) == [
                "cluster.birth", "namespace.create", "namespace.change", "namespace.change",
                "namespace.flush", "namespace.delete",
            ])
        let create = try #require(records.first { $0.action == "namespace.create" })
        #expect(create.index == made.position.index)
        #expect(create.author == admin)
        #expect(create.changes.map(\.subject) == ["namespace:a", "token:tok"])
        #expect(create.changes[0].before == nil)
        #expect(
            create.changes[0].after?.contains(.init(name: "quota_keys", value: .number(5))) == true)
        #expect(!create.encoded().contains(sequence: bytes("never shown")))

        let update = Array(records)[2]
        #expect(
            update.changes[0].before == [
                .init(name: "quota_keys", value: .number(5)),
                .init(name: "read_only", value: .flag(false)),
            ])
        #expect(
            update.changes[0].after == [
                .init(name: "quota_keys", value: .none),
                .init(name: "read_only", value: .flag(true)),
            ])
        #expect(Array(records)[3].author == .system)
        let delete = try #require(records.last)
        #expect(delete.changes.allSatisfy { $0.after == nil && $0.before != nil })
        committer.stop(until: soon)
    }

    @Test func `a topology is recorded with whom it names, and what differs`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let name = try #require(NodeName("n2"))
        let address = try #require(NodeAddress("http://127.0.0.1:7071"))
        let operation = OperationRecord(
            id: "op1", type: "add-node", state: .running, subject: "n2", createdAt: .now(),
            createdBy: admin.text, reason: "because")
        try committer.done(
            ChangeTopology(changedBy: admin.text, reason: "because", operation: operation) {
                document, number, note in
                document.addingReplica(
                    name, at: address, number: number, upstream: document.primary, note: note)
            })
        var ended = operation
        ended.state = .succeeded
        try committer.done(PutOperation(ended))
        let records = try engine.auditRecords(below: nil, countMax: 2)
        #expect(records.map(\.action) == ["add-node.success", "topology.change"])
        #expect(records.map(\.author) == [.system, admin])
        let topology = try #require(records.last?.changes.first)
        #expect(
            topology.after?.contains(.init(name: "replicas", value: .list(["n2 follows n1"])))
                == true)
        #expect(
            topology.after?.contains(
                .init(name: "nodes", value: .list(["n2 at http://127.0.0.1:7071"]))) == true)
        committer.stop(until: soon)
    }

    @Test func `an operation that is ended twice has one end and one record of it`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        var operation = OperationRecord(
            id: "op1", type: "switchover", state: .running, subject: "n2", createdAt: .now(),
            createdBy: admin.text)
        try committer.done(PutOperation(operation))
        operation.state = .succeeded
        try committer.done(PutOperation(operation))
        let end = engine.state.position
        operation.state = .failed
        try committer.done(PutOperation(operation))
        #expect(engine.state.position == end)
        #expect(engine.state.catalog.operations["op1"]?.state == .succeeded)
        let records = try engine.auditRecords(below: nil, countMax: 100)
        #expect(records.filter { $0.action == "switchover.success" }.count == 1)
        committer.stop(until: soon)
    }

    @Test func `a token that is replaced at once is rotated, not deleted`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        func seed(_ id: String) -> TokenSeed {
            TokenSeed(lookupID: id, algorithm: "sha256", hash: bytes(id))
        }
        try committer.done(CreateToken(.cluster, seed("first"), scopes: .tokensAdmin))
        try committer.done(RotateToken(.cluster, "first", by: seed("second"), grace: .zero))
        try committer.done(CreateToken(.cluster, seed("third"), scopes: .tokensAdmin))
        try committer.done(RevokeToken(.cluster, "third"))
        let records = try engine.auditRecords(below: nil, countMax: 4).reversed()
        #expect(
            records.map(\.action) == [
                "token.create", "token.rotate", "token.create", "token.delete",
            ])
        #expect(Array(records)[1].changes.map(\.subject) == ["token:first", "token:second"])
        committer.stop(until: soon)
    }

    @Test func `an entry that makes many things tells of some and counts the others`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let seeds = try (0..<100).map {
            NamespaceSeed(name: try #require(NamespaceName(rawValue: "n\($0)")))
        }
        try committer.done(CreateNamespaces(seeds))
        let record = try #require(try engine.auditRecords(below: nil, countMax: 1).first)
        #expect(record.changes.count == AuditRecord.changesMax)
        #expect(record.omitted == UInt64(100 - AuditRecord.changesMax))
        #expect(AuditRecord(number: record.number, decoding: record.encoded()) == record)
        committer.stop(until: soon)
    }

    @Test func `pages go back to the first record, and a replica has the same`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        for number in 0..<10 {
            try committer.create(try #require(NamespaceName(rawValue: "n\(number)")))
        }
        var all: [UInt64] = []
        while true {
            let page = try engine.auditRecords(below: all.last, countMax: 4)
            if page.isEmpty { break }
            all += page.map(\.number)
        }
        #expect(all == (1...11).reversed())
        let found = try engine.verifyAudit()
        #expect(found.fault == nil)
        #expect(found.last == 11)
        #expect(found.comparedWithLog == 11)

        let replica = try Engine.create(
            in: Incarnation(path: directory.path + "/replica"), lineage: testLineage,
            options: .test())
        for run in try engine.runs(after: .origin) {
            try replica.apply(run.records, encoded: run.encoded)
        }
        #expect(
            try replica.auditRecords(below: nil, countMax: 100)
                == engine.auditRecords(below: nil, countMax: 100))
        #expect(replica.state.header == engine.state.header)
        #expect(try replica.verifyAudit().fault == nil)
        committer.stop(until: soon)
    }

    @Test(arguments: ["changed", "removed", "added", "all removed", "reordered"])
    func `whatever is done to a record behind the log's back is found`(what: String) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        for number in 0..<5 {
            try committer.create(try #require(NamespaceName(rawValue: "n\(number)")))
        }
        committer.stop(until: soon)
        let records = try engine.auditRecords(below: nil, countMax: 10).reversed().map { $0 }
        var batch = WriteOperations()
        switch what {
        case "changed":
            var record = records[2]
            record.author.who = "somebody else"
            batch.put(Key.audit(3), record.encoded())
        case "removed": batch.delete(Key.audit(3))
        case "added": batch.put(Key.audit(7), records[5].encoded())
        case "all removed": for number in UInt64(1)...6 { batch.delete(Key.audit(number)) }
        default:
            batch.put(Key.audit(3), records[3].encoded())
            batch.put(Key.audit(4), records[2].encoded())
        }
        var writer = ByteWriter()
        writer.bytes = [UInt8](repeating: 0, count: StateTransition.batchHeaderBytes)
        writer.append(batch.bytes)
        writer.overwriteLittle(at: 8, batch.count)
        try engine.database.write(batch: writer.bytes)
        let isFound = try engine.verifyAudit().fault != nil
        // A record beyond the head is none for readers; offline it is found as well.
        #expect(isFound == (what != "added"))
        try engine.flush()
        var report = EngineReport()
        var verification = StateVerification(engine.database, "state")
        _ = verification.run(&report)
        #expect(report.findings.contains { $0.what.contains("audit") }, "\(report.findings)")
    }

    @Test func `the oldest go when there are too many, and the rest is intact`() throws {
        let head = AuditHead(last: AuditHead.countMax, first: 1, chain: .zero)
        let next = head.following([1])
        #expect(next.first == 2)
        #expect(next.last == AuditHead.countMax + 1)
        #expect(AuditHead(decoding: next.encoded()) == next)
        #expect(AuditHead.empty.following([1]).first == 1)
        #expect(AuditHead(decoding: AuditHead.empty.encoded()) == nil)
    }

    @Test(arguments: [
        ChangeAuthor(who: "system"), ChangeAuthor(who: "anonymous", address: "127.0.0.1"),
        ChangeAuthor(who: "token:abc", address: "2001:db8::1"),
    ])
    func `an author reads back as documents name it`(author: ChangeAuthor) {
        #expect(ChangeAuthor(text: author.text) == author)
    }
}

extension [UInt8] {
    fileprivate func contains(sequence: [UInt8]) -> Bool {
        !isEmpty && indices.contains { self[$0...].starts(with: sequence) }
    }
}
