import Log
import Platform
import Testing
import Topology

@Suite struct TopologyChangeTests {
    private func add(
        _ name: String, _ address: String, number given: UInt16 = 9, upstream: UInt16 = 1,
        to current: TopologyDocument
    ) throws -> Result<TopologyChange, TopologyFaults> {
        current.addingReplica(
            try #require(NodeName(name)), at: try #require(NodeAddress(address)),
            number: number(given), upstream: number(upstream), note: note)
    }

    @Test func `a new replica gets the number that was kept for it`() throws {
        let next = try add("x", "http://x:1", to: try document([2: 1])).changed()
        #expect(next.shape == "1: 2←1 9←1")
        #expect(next.node(numbered: number(9))?.address.url == "http://x:1")
        #expect(next.generation == Generation(13))
        #expect(next.reason == "because")
    }

    @Test func `faults of a new replica point into its request`() throws {
        let current = try document([2: 1], others: [3])
        #expect(try add("n2", "http://x:1", to: current).faults.contains("/name duplicate-name"))
        #expect(
            try add("x", "http://10.0.0.2:7070", to: current).faults
                == ["/address duplicate-address"])
        #expect(
            try add("x", "http://x:1", upstream: 7, to: current).faults
                == ["/upstream unknown-node"])
        #expect(
            try add("x", "http://x:1", upstream: 3, to: current).faults
                == ["/upstream node-without-role"])
        let full = try document(Dictionary(uniqueKeysWithValues: (2...128).map { ($0, 1) }))
        #expect(try add("x", "http://x:1", number: 200, to: full).faults == [" too-many-nodes"])
    }

    @Test func `who followed a removed node follows its upstream`() throws {
        let current = try document([2: 1, 3: 2, 4: 2, 5: 4])
        let next = try current.removing(number(2), note: note).changed()
        #expect(next.shape == "1: 3←1 4←1 5←4")
        #expect(next.node(numbered: number(2)) == nil)
        #expect(next.nextNumber(after: number(6)) == number(6))
    }

    @Test func `a node without a role can be removed`() throws {
        let next = try document([2: 1], others: [3]).removing(number(3), note: note).changed()
        #expect(next.nodes.map(\.number) == [1, 2].map(number))
    }

    @Test func `the primary, and whoever writes wait for, cannot be removed`() throws {
        let current = try document([2: 1], minInSync: 1)
        #expect(current.removing(number(1), note: note).faults == [" node-is-primary"])
        #expect(current.removing(number(2), note: note).faults == [" min-in-sync-unmet"])
        #expect(current.removing(number(7), note: note).faults == [" unknown-node"])
    }

    @Test func `address and upstream change in one generation`() throws {
        let next = try document([2: 1, 3: 1]).updating(
            number(3), address: NodeAddress("http://new:1"), upstream: number(2), note: note
        ).changed()
        #expect(next.shape == "1: 2←1 3←2")
        #expect(next.node(numbered: number(3))?.address.url == "http://new:1")
        #expect(next.generation == Generation(13))
    }

    @Test func `the primary's address may change`() throws {
        let next = try document([2: 1]).updating(
            number(1), address: NodeAddress("http://new:1"), note: note
        ).changed()
        #expect(next.node(numbered: number(1))?.address.url == "http://new:1")
        #expect(next.shape == "1: 2←1")
    }

    @Test func `a node without a role becomes a replica`() throws {
        let next = try document([2: 1], others: [3]).updating(
            number(3), upstream: number(2), note: note
        ).changed()
        #expect(next.shape == "1: 2←1 3←2")
    }

    @Test func `what is so already changes nothing`() throws {
        let current = try document([2: 1])
        #expect(
            current.updating(number(2), upstream: number(1), note: note) == .success(.unchanged))
        #expect(current.updating(number(2), note: note) == .success(.unchanged))
    }

    @Test func `faults of an update point into its request`() throws {
        let current = try document([2: 1, 3: 2])
        #expect(
            current.updating(number(2), upstream: number(3), note: note).faults
                == ["/upstream cycle"])
        #expect(
            current.updating(number(2), upstream: number(2), note: note).faults
                == ["/upstream cycle"])
        #expect(
            current.updating(number(1), upstream: number(2), note: note).faults
                == ["/upstream primary-is-replica"])
        #expect(
            current.updating(number(1), address: try record(3).address, note: note).faults
                == ["/address duplicate-address"])
        #expect(
            current.updating(number(2), upstream: number(9), note: note).faults
                == ["/upstream unknown-node"])
        #expect(current.updating(number(9), note: note).faults == [" unknown-node"])
    }

    @Test(
        arguments: [
            (2, "2: 1←2 3←2 4←2 5←4"), (4, "4: 1←4 2←4 3←2 5←4"), (5, "5: 1←5 2←5 3←2 4←5"),
            (3, "3: 1←3 2←3 4←3 5←4"),
        ] as [(UInt16, String)])
    func `the old primary and its replicas follow the new one`(to: UInt16, shape: String) throws {
        let current = try document([2: 1, 3: 2, 4: 1, 5: 4], minInSync: 4)
        let next = try current.movingPrimary(
            to: number(to), reign: Reign(term: 4, holder: number(to)), note: note
        ).changed()
        #expect(next.shape == shape)
        #expect(next.reign == Reign(term: 4, holder: number(to)))
        #expect(next.version > current.version)
        #expect(TopologyDocument(decoding: next.encoded()) == next)
    }

    @Test func `a primary may begin another reign`() throws {
        let next = try document([2: 1]).movingPrimary(
            to: number(1), reign: Reign(term: 4, holder: number(1)), note: note
        ).changed()
        #expect(next.shape == "1: 2←1")
        #expect(next.reign.term == 4)
    }

    @Test func `a reign that is not higher, or another's, moves nobody`() throws {
        let current = try document([2: 1], others: [3])
        func move(_ to: UInt16, _ term: UInt32, _ holder: UInt16) -> [String] {
            current.movingPrimary(
                to: number(to), reign: Reign(term: term, holder: number(holder)), note: note
            ).faults
        }
        #expect(move(1, 3, 1) == [" stale-term"])
        #expect(move(2, 4, 1) == [" stale-term"])
        #expect(move(2, 2, 2) == [" stale-term"])
        #expect(move(9, 4, 9) == ["/to unknown-node"])
        #expect(move(3, 4, 3) == ["/to node-without-role"])
    }

    /// Whatever is asked for, in whatever order: a document that can be stored, or a fault.
    @Test(arguments: UInt64(0)..<30)
    func `every document that a change makes is sound`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var current = TopologyDocument.founding(try record(1), note: note)
        var next = number(2)
        for _ in 0..<200 {
            let any = current.nodes.randomElement(using: &random)?.number ?? number(1)
            let other = current.nodes.randomElement(using: &random)?.number ?? number(1)
            let result: Result<TopologyChange, TopologyFaults>
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                result = try add(
                    "m\(next)", "http://m\(next):1", number: next.rawValue,
                    upstream: any.rawValue, to: current)
            case 2: result = current.removing(any, note: note)
            case 3: result = current.updating(any, upstream: other, note: note)
            default:
                let reign = Reign(term: current.reign.term + 1, holder: any)
                result = current.movingPrimary(to: any, reign: reign, note: note)
            }
            guard case .success(.changed(let document)) = result else { continue }
            #expect(document.generation == current.generation.next)
            #expect(document.version > current.version)
            #expect(TopologyDocument(decoding: document.encoded()) == document)
            current = document
            next = current.nextNumber(after: next)
        }
    }

    @Test func `a generation says what it has otherwise than the one before`() throws {
        let old = try document([2: 1])
        let added = try old.addingReplica(
            try #require(NodeName("x")), at: try #require(NodeAddress("http://x:1")),
            number: number(3), upstream: number(2), note: note
        ).changed()
        func words(_ document: TopologyDocument, _ before: TopologyDocument) -> [String] {
            document.differences(from: before).map { "\($0.what.rawValue) \($0.node ?? "-")" }
        }
        #expect(words(added, old) == ["address x", "upstream x"])
        #expect(added.differences(from: old)[0].before == nil)
        #expect(added.differences(from: old)[0].after == .text("http://x:1"))
        #expect(words(old, added) == ["address x", "upstream x"])
        let moved = try added.movingPrimary(
            to: number(2), reign: Reign(term: 99, holder: number(2)), note: note
        ).changed()
        let names = [1, 2].map { added.label(of: number($0)) }
        #expect(
            words(moved, added) == [
                "primary -", "term -", "upstream \(names[0])", "upstream \(names[1])",
            ])
        #expect(added.differences(from: added) == [])
    }
}
