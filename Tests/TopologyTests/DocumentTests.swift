import Log
import Platform
import Testing
import Topology

@Suite struct TopologyDocumentTests {
    @Test func `roles follow from primary and replicas`() throws {
        let document = try document([2: 1, 3: 2], others: [4])
        #expect(document.role(of: number(1)) == .primary)
        #expect(document.role(of: number(3)) == .replica(upstream: number(2)))
        #expect(document.role(of: number(4)) == nil)
        #expect(document.role(of: number(5)) == nil)
        #expect(document.node(named: try record(4).name) == (try record(4)))
        #expect(document.label(of: number(9)) == "#9")
    }

    @Test func `a subtree is the node and all below it`() throws {
        let document = try document([2: 1, 3: 2, 4: 3, 5: 1, 6: 2])
        #expect(document.children(of: number(1)) == [2, 5].map(number))
        #expect(document.subtree(of: number(2)) == [2, 3, 6, 4].map(number))
        #expect(document.descendants(of: number(4)) == [])
    }

    @Test func `nodes and replicas are kept in one order`() throws {
        let document = try document([3: 1, 2: 1])
        #expect(document.nodes.map(\.number) == [1, 2, 3].map(number))
        #expect(document.replicas.map(\.node) == [2, 3].map(number))
    }

    @Test(
        arguments: [
            [1: 2], [2: 3], [2: 2], [2: 3, 3: 2], [2: 9],
        ] as [[UInt16: UInt16]])
    func `a document with broken replicas cannot be made`(upstreams: [UInt16: UInt16]) throws {
        #expect(
            TopologyDocument(
                generation: .first, reign: Reign(term: 1, holder: number(1)),
                replicas: upstreams.map { ReplicaSpec(node: number($0), upstream: number($1)) },
                minInSyncReplicas: 0, nodes: try [1, 2, 3].map { try record($0) }, note: note)
                == nil)
    }

    @Test func `a document whose numbers are zero or twice there cannot be made`() throws {
        for numbers in [[0, 1], [1, 1], [2]] as [[UInt16]] {
            #expect(
                TopologyDocument(
                    generation: .first, reign: Reign(term: 1, holder: number(1)), replicas: [],
                    minInSyncReplicas: 0, nodes: try numbers.map { try record($0) }, note: note)
                    == nil)
        }
    }

    @Test func `content is the same whatever the versions`() throws {
        let founded = TopologyDocument.founding(try record(1), note: note)
        let other = TopologyDocument.founding(
            try record(1), term: 7, generation: Generation(9),
            note: ChangeNote(at: UnixMilliseconds(rawValue: 5), by: "x"))
        #expect(founded.hasSameContent(as: other))
        #expect(founded != other)
        #expect(!founded.hasSameContent(as: .founding(try record(2), note: note)))
    }

    @Test func `a higher reign wins over a higher generation`() {
        func version(_ term: UInt32, _ holder: UInt16, _ generation: UInt64) -> TopologyVersion {
            TopologyVersion(
                reign: Reign(term: term, holder: number(holder)),
                generation: Generation(generation))
        }
        let ascending = [version(1, 1, 9), version(1, 2, 1), version(2, 1, 1), version(2, 1, 2)]
        #expect(ascending.shuffled().sorted() == ascending)
    }

    @Test func `numbers go on behind the highest ever given`() throws {
        let document = try document([5: 1])
        #expect(document.nextNumber(after: number(2)) == number(6))
        #expect(document.nextNumber(after: number(9)) == number(9))
    }

    @Test func `fingerprints of unlike documents and clusters differ`() throws {
        let lineage = Lineage(id: Hash128(high: 1, low: 2))
        let base = try document([2: 1, 3: 1])
        let variants = [
            base, try document([2: 1, 3: 2]), try document([2: 1, 3: 1], minInSync: 1),
            try document([2: 1], others: [3]), try base.removing(number(3), note: note).changed(),
            try base.movingPrimary(
                to: number(1), reign: Reign(term: 4, holder: number(1)), note: note
            ).changed(),
        ]
        var seen = Set(variants.map { $0.fingerprint(in: lineage) })
        seen.insert(base.fingerprint(in: Lineage(id: Hash128(high: 2, low: 1))))
        #expect(seen.count == variants.count + 1)
        #expect(base.fingerprint(in: lineage) == base.fingerprint(in: lineage))
    }
}

@Suite struct TopologyEncodingTests {
    private func samples() throws -> [TopologyDocument] {
        [
            .founding(try record(1), note: ChangeNote(at: UnixMilliseconds(rawValue: 0), by: "")),
            try document([2: 1, 3: 2], others: [4], minInSync: 2),
            try document(Dictionary(uniqueKeysWithValues: (2...128).map { ($0, $0 - 1) })),
        ]
    }

    @Test func `what is written is read`() throws {
        for document in try samples() {
            #expect(TopologyDocument(decoding: document.encoded()) == document)
        }
    }

    @Test func `the bytes are those that are specified`() throws {
        let document = TopologyDocument.founding(
            try record(1), term: 2, generation: Generation(3),
            note: ChangeNote(at: UnixMilliseconds(rawValue: 4), by: "ab", reason: "c"))
        let address = Array("http://10.0.0.1:7070".utf8)
        #expect(
            document.encoded() == [1, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]
                + [4, 0, 0, 0, 0, 0, 0, 0, 2, 0x61, 0x62, 1, 1, 0x63]
                + [1, 0, 1, 0, 2, 0x6E, 0x31, 20] + address + [0, 0])
    }

    @Test func `bytes that are cut or followed by others are refused`() throws {
        let bytes = try document([2: 1, 3: 2]).encoded()
        for count in 0..<bytes.count {
            #expect(TopologyDocument(decoding: Array(bytes[..<count])) == nil)
        }
        #expect(TopologyDocument(decoding: bytes + [0]) == nil)
    }

    @Test(arguments: [0, (1 << 53) + 1, .max] as [UInt64])
    func `a generation that nobody reaches is refused`(generation: UInt64) throws {
        var bytes = try document([2: 1]).encoded()
        for at in 0..<8 { bytes[1 + at] = UInt8(truncatingIfNeeded: generation >> (8 * at)) }
        #expect(TopologyDocument(decoding: bytes) == nil)
    }

    @Test func `another version is refused`() throws {
        var bytes = try document([2: 1]).encoded()
        bytes[0] = 2
        #expect(TopologyDocument(decoding: bytes) == nil)
    }

    @Test(arguments: UInt64(0)..<20)
    func `damaged bytes never crash, and are refused or mean what they say`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let bytes = try document([2: 1, 3: 2], others: [4], minInSync: 1).encoded()
        for _ in 0..<300 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                damaged[Int.random(in: damaged.indices, using: &random)] = random.next()
            }
            if let document = TopologyDocument(decoding: damaged) {
                #expect(document.encoded() == damaged)
            }
        }
    }

    @Test(arguments: UInt64(0)..<20)
    func `random bytes are no document`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for count in 0..<200 {
            var bytes = (0..<count).map { _ in random.next() as UInt8 }
            if count > 0 { bytes[0] = 1 }
            #expect(TopologyDocument(decoding: bytes) == nil)
        }
    }
}
