import Engine
import JSON
import Log
import Platform
import Testing
import Topology

@testable import Node

@Suite struct EventWordingTests {
    private func wording(_ document: TopologyDocument? = nil) -> EventWording {
        EventWording(document: document, lineage: nil, running: [])
    }

    private func entry(_ all: [EntryDifferences.Difference]) -> EntryDifferences {
        EntryDifferences(index: LogIndex(7), time: UnixMilliseconds(rawValue: 9), all: all)
    }

    private func told(_ events: [Event]) -> [String] {
        events.map { "\($0.kind.rawValue) \($0.what) \($0.subject)" }
    }

    private func namespace(_ name: String, epoch: UInt32 = 1, keys: UInt64? = nil) throws
        -> NamespaceRecord
    {
        NamespaceRecord(
            id: NamespaceID(rawValue: 5), name: try #require(NamespaceName(rawValue: name)),
            epoch: epoch, createdAt: UnixMilliseconds(rawValue: 0), quotaKeys: keys)
    }

    private func operation(_ state: OperationRecord.State) -> OperationRecord {
        OperationRecord(
            id: "op", type: "add-node", state: state, subject: "n2",
            createdAt: UnixMilliseconds(rawValue: 0), createdBy: "anonymous",
            errorCode: state == .failed ? "node-unreachable" : nil)
    }

    @Test func `namespaces are told by what became of them`() throws {
        var wording = wording()
        let (one, flushed) = (try namespace("a"), try namespace("a", epoch: 2))
        let limited = try namespace("a", epoch: 2, keys: 7)
        let events = wording.events(
            of: entry([
                .namespace(before: nil, after: one), .namespace(before: one, after: flushed),
                .namespace(before: flushed, after: limited),
                .namespace(before: limited, after: limited),
                .namespace(before: limited, after: nil),
            ]))
        #expect(
            told(events) == [
                "namespace created a", "namespace changed a", "namespace removed a",
                "namespace flushed a",
            ])
        #expect(events.allSatisfy { $0.at == UnixMilliseconds(rawValue: 9) })
    }

    @Test func `an entry that makes many namespaces is one event with a bounded list of names`()
        throws
    {
        var wording = wording()
        let all = try (0..<1_000).map { number in
            EntryDifferences.Difference.namespace(
                before: nil, after: try namespace("n\(number)"))
        }
        let events = wording.events(of: entry(all))
        #expect(told(events) == ["namespace created n0"])
        #expect(events[0].data["count"] == 1_000)
        #expect(events[0].data["names"]?.arrayValue?.count == EventWording.namesMax)
    }

    @Test func `an operation is told once as it begins, and once as it ends`() {
        var wording = wording()
        let (running, failed) = (operation(.running), operation(.failed))
        #expect(
            told(wording.events(of: entry([.operation(before: nil, after: running)])))
                == ["operation begun op"])
        #expect(wording.running == ["op"])
        let end = entry([.operation(before: running, after: failed)])
        let events = wording.events(of: end)
        #expect(told(events) == ["operation ended op"])
        #expect(events[0].data["error"]?["code"] == "node-unreachable")
        #expect(wording.events(of: end) == [], "it was told already")
        #expect(wording.events(of: entry([.operation(before: failed, after: nil)])) == [])
    }

    @Test func `an operation that ran here before it came into the log begins once`() {
        var wording = wording()
        let now = UnixMilliseconds(rawValue: 0)
        #expect(
            told(wording.events(ofLocal: [operation(.running)], at: now)) == ["operation begun op"])
        #expect(wording.events(ofLocal: [operation(.running)], at: now) == [])
        #expect(
            wording.events(of: entry([.operation(before: nil, after: operation(.running))])) == [])
        #expect(
            told(
                wording.events(
                    of: entry([
                        .operation(before: operation(.running), after: operation(.succeeded))
                    ]))) == ["operation ended op"])
    }

    @Test func `an operation whose end came with a full sync ends all the same`() {
        var wording = wording()
        let now = UnixMilliseconds(rawValue: 0)
        _ = wording.events(of: entry([.operation(before: nil, after: operation(.running))]))
        #expect(wording.settle({ _ in operation(.running) }, at: now) == [])
        #expect(
            told(wording.settle({ _ in operation(.succeeded) }, at: now)) == ["operation ended op"])
        #expect(wording.running.isEmpty)
    }

    @Test func `a document that came as word of a peer and then in the log is told once`() throws {
        let lineage = Lineage.random()
        let old = try topology(replicas: 1, generation: 7)
        let new = try topology(replicas: 2, generation: 8)
        var wording = EventWording(document: old, lineage: lineage, running: [])
        let events = wording.tell(new, of: lineage, at: UnixMilliseconds(rawValue: 0))
        #expect(told(events) == ["topology changed \(new.generation)"])
        #expect(events[0].data["changed_by"] == "tester")
        #expect(events[0].data["added"] == ["n3"])
        #expect(wording.events(of: entry([.topology(new)])) == [])
        #expect(wording.tell(old, of: lineage, at: UnixMilliseconds(rawValue: 0)) == [])
    }
}
