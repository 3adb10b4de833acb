import JSON
import Log
import Platform
import Testing
import Topology

@testable import Node

@Suite struct NodeFactsTests {
    private func facts() throws -> NodeFacts {
        let name = try #require(NodeName("n2"))
        let address = try #require(NodeAddress("http://127.0.0.1:7071"))
        var facts = NodeFacts(name: name, bootID: "boot")
        facts.number = NodeNumber(rawValue: 2)
        facts.lineage = .random()
        facts.document = .founding(
            NodeRecord(number: NodeNumber(rawValue: 2), name: name, address: address),
            note: ChangeNote(at: UnixMilliseconds(rawValue: 5), by: "test"))
        facts.promised = Reign(term: 9, holder: NodeNumber(rawValue: 2))
        facts.stoppedCleanly = true
        facts.fullSyncs = 3
        facts.partialSyncs = 4
        facts.divergedEntries = 5
        facts.heardDiverged = [NodeNumber(rawValue: 3): 7]
        facts.requiresToken = true
        facts.fullSyncBytesPerSecondMax = 1_000_000
        facts.lastFullSync = NodeFacts.FinishedSync(
            reason: "empty", bytes: 10, seconds: 1.5, finishedAt: UnixMilliseconds(rawValue: 77))
        return facts
    }

    @Test func `a full sync is counted once, when its state serves`() throws {
        var facts = try facts()
        let sync = NodeFacts.FinishedSync(
            reason: "requested", bytes: 1, seconds: 0.5, finishedAt: UnixMilliseconds(rawValue: 9))
        facts.staged = .init(incarnation: "i000002", sync: sync)
        #expect(NodeFacts(json: facts.json) == facts)

        var killedBefore = facts
        killedBefore.countStaged(serving: "i000001")
        #expect(killedBefore.fullSyncs == 3)
        #expect(killedBefore.staged == nil)

        facts.countStaged(serving: "i000002")
        facts.countStaged(serving: "i000002")
        #expect(facts.fullSyncs == 4)
        #expect(facts.lastFullSync == sync)
    }

    @Test func `what is written is read back`() throws {
        let facts = try facts()
        let read = NodeFacts(json: try JSONValue(parsing: facts.json.serialized(pretty: true)))
        #expect(read == facts)
    }

    @Test func `a damaged file is not taken for an empty one`() throws {
        #expect(NodeFacts(json: [:]) == nil)
        #expect(NodeFacts(json: ["format": 2, "name": "n1"]) == nil)
    }

    @Test func `a change is on disk when it returns`() throws {
        let directory = "/tmp/convoy-facts-\(UInt64.random(in: 0...UInt64.max))"
        try FileSystem.createDirectory(directory)
        defer { try? FileSystem.removeTree(directory) }
        let file = try FactsFile(in: directory, try facts())
        try file.change { $0.fullSyncs = 99 }
        #expect(try FactsFile.read(in: directory)?.fullSyncs == 99)
        #expect(file.facts.fullSyncs == 99)
    }

    @Test func `the synced index is read back for its own incarnation only`() throws {
        let directory = "/tmp/convoy-synced-\(UInt64.random(in: 0...UInt64.max))"
        try FileSystem.createDirectory(directory)
        defer { try? FileSystem.removeTree(directory) }
        let file = try SyncedIndexFile(in: directory)
        #expect(file.read(incarnation: "a") == .zero)
        try file.write(LogIndex(42), incarnation: "a")
        #expect(file.read(incarnation: "a") == LogIndex(42))
        #expect(file.read(incarnation: "b") == .zero)
    }
}
