import Log
import Platform
import Testing
import Topology

@testable import Engine

@Suite struct CodecTests {
    private func randomOperations(
        _ random: inout SplitMix64
    ) -> (operations: WriteOperations, list: [WriteOperation]) {
        var operations = WriteOperations()
        var list: [WriteOperation] = []
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            // Around the lengths at which the varint grows.
            let size = [0, 1, 127, 128, 300].randomElement(using: &random) ?? 0
            let key = [KeyPrefix.data] + random.bytes(8 + size)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: list.append(.delete(key: key))
            case 1: list.append(.deleteRange(from: key, to: key + [0]))
            default: list.append(.put(key: key, value: random.bytes(size)))
            }
        }
        for operation in list { operations.append(operation) }
        return (operations, list)
    }

    @Test(arguments: UInt64(0)..<50)
    func `writes read back as they were written, and nothing shorter or longer is read`(
        seed: UInt64
    ) {
        var random = SplitMix64(seed: seed)
        let (operations, list) = randomOperations(&random)
        let bytes = operations.bytes
        func decode(_ bytes: [UInt8], _ count: UInt32) -> [WriteOperation]? {
            WriteOperations.decode(bytes, in: 0..<bytes.count, count: count)
        }
        #expect(decode(bytes, operations.count) == list)
        #expect(decode(bytes, operations.count + 1) == nil)
        #expect(list.isEmpty || decode(bytes, operations.count - 1) == nil)
        #expect(decode(bytes + [0], operations.count) == nil)
        for end in bytes.indices { #expect(decode(Array(bytes[..<end]), operations.count) == nil) }

        let hasRange = list.contains { if case .deleteRange = $0 { true } else { false } }
        #expect(
            (WriteOperations.dataWrites(bytes, in: 0..<bytes.count, count: operations.count) == nil)
                == hasRange)
        for end in bytes.indices {
            #expect(
                WriteOperations.dataWrites(bytes, in: 0..<end, count: operations.count) == nil)
        }
    }

    @Test(arguments: UInt64(0)..<50)
    func `a payload reads back, and a damaged one does not become another`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let (operations, list) = randomOperations(&random)
        let counters = (0..<UInt32.random(in: 0...3, using: &random)).map {
            EntryCounters(
                namespace: NamespaceID(rawValue: $0),
                usage: Usage(keys: random.next() >> 1, bytes: random.next()),
                isWrite: Bool.random(using: &random))
        }
        let payload = EntryPayload(counters: counters, operations: operations)
        let decoded = try #require(EntryPayload(decoding: payload.bytes))
        #expect(decoded.operations() == list)
        #expect(decoded.counters == counters)
        for end in payload.bytes.indices {
            let cut = EntryPayload(decoding: Array(payload.bytes[..<end]))
            #expect(cut?.operations() == nil)
        }
        #expect(EntryPayload(decoding: [2] + payload.bytes.dropFirst()) == nil)
    }

    @Test func `random bytes are refused or read, and never crash`() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<3_000 {
            var bytes = random.bytes(Int.random(in: 0...120, using: &random))
            // Half of them begin as the formats do.
            if Bool.random(using: &random), !bytes.isEmpty { bytes[0] = 1 }
            _ = WriteOperations.decode(bytes, in: 0..<bytes.count, count: UInt32(bytes.count % 5))
            _ = WriteOperations.dataWrites(
                bytes, in: 0..<bytes.count, count: UInt32(bytes.count % 5))
            _ = EntryPayload(decoding: bytes)?.operations()
            _ = StoredValue(decoding: bytes)
            _ = StateHeader(decoding: bytes)
            _ = Usage(decoding: bytes)
            var catalog = Catalog()
            for kind in CatalogKind.allCases {
                try? catalog.apply(
                    key: [KeyPrefix.catalog, kind.rawValue] + bytes.prefix(4), value: bytes)
                try? catalog.apply(key: [KeyPrefix.catalog, kind.rawValue], value: bytes)
                try? catalog.apply(key: [KeyPrefix.catalog, kind.rawValue] + bytes, value: nil)
            }
            _ = ValueVersion(etag: String(decoding: bytes, as: UTF8.self))
        }
    }

    @Test(arguments: UInt64(0)..<20)
    func `a record with any bit flipped is refused, or is the one whose bytes it has`(
        seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        for record in Self.catalogRecords {
            var value = record.value
            let bit = Int.random(in: 0..<value.count * 8, using: &random)
            value[bit / 8] ^= 1 << (bit % 8)
            var catalog = Catalog()
            guard (try? catalog.apply(key: record.key, value: value)) != nil else { continue }
            #expect(catalog.digest == Hash128(of: record.key + value))
            // What was taken can be taken away again, to nothing.
            guard let old = try? catalog.apply(key: record.key, value: nil) else { continue }
            _ = old
            #expect(catalog.digest == .zero)
        }
    }

    private static let catalogRecords: [(key: [UInt8], value: [UInt8])] = {
        let time = UnixMilliseconds(rawValue: 1_700_000_000_000)
        let namespace = NamespaceRecord(
            id: NamespaceID(rawValue: 7), name: "tenant", epoch: 3, createdAt: time, quotaKeys: 5,
            quotaBytes: nil, isReadOnly: true)
        let limited = NamespaceRecord(
            id: NamespaceID(rawValue: 8), name: "limited", createdAt: time, softQuotaKeys: 0,
            softQuotaBytes: nil, requestsPerSecondMax: 100)
        let token = TokenRecord(
            lookupID: "abcdef", namespace: NamespaceID(rawValue: 7), algorithm: "sha256",
            hash: [1, 2, 3], createdAt: time, description: "of a test")
        let admin = TokenRecord(
            lookupID: "ghijkl", namespace: nil, algorithm: "sha256", hash: [4, 5],
            scopes: [.clusterRead, .tokensAdmin], createdAt: time, expiresAt: time,
            networks: ["10.0.0.0/8", "::1/128"], successor: "mnopqr")
        let operation = OperationRecord(
            id: "op-1", type: "add-node", state: .failed, subject: "n2", createdAt: time,
            finishedAt: time, createdBy: "admin", reason: nil, errorCode: "timeout",
            errorDetail: "it took too long", result: #"{"step":"sync"}"#)
        return [
            (Key.catalog(.namespace, namespace.id.encoded), namespace.encoded()),
            (Key.catalog(.namespace, limited.id.encoded), limited.encoded()),
            (Key.catalog(.token, Array(token.lookupID.utf8)), token.encoded()),
            (Key.catalog(.operation, Array(operation.id.utf8)), operation.encoded()),
            (Key.catalog(.token, Array(admin.lookupID.utf8)), admin.encoded()),
            (Key.catalog(.sequence, [1]), CatalogCodec.word(77)),
            (Key.catalog(.lineage, []), testLineage.encoded),
            (Key.catalog(.reign, firstReign.encoded), CatalogCodec.word(1)),
        ]
    }()

    @Test func `catalog records read back as they were written`() throws {
        var catalog = Catalog()
        for record in Self.catalogRecords {
            try catalog.apply(key: record.key, value: record.value)
        }
        let namespace = try #require(catalog.namespace(named: "tenant")?.record)
        #expect(namespace.epoch == 3)
        #expect(namespace.quotaKeys == 5)
        #expect(namespace.quotaBytes == nil)
        #expect(namespace.isReadOnly)
        let limited = try #require(catalog.namespace(named: "limited")?.record)
        #expect(limited.softQuotaKeys == 0)
        #expect(limited.softQuotaBytes == nil)
        #expect(limited.requestsPerSecondMax == 100)
        #expect(catalog.tokens["abcdef"]?.description == "of a test")
        #expect(catalog.tokens["ghijkl"]?.successor == "mnopqr")
        #expect(catalog.tokens["ghijkl"]?.networks == ["10.0.0.0/8", "::1/128"])
        #expect(catalog.requiresToken)
        #expect(catalog.operations["op-1"]?.errorDetail == "it took too long")
        #expect(catalog.lineage == testLineage)
        #expect(catalog.reigns.map(\.reign) == [firstReign])

        // The digest does not depend on the order, and is zero of nothing.
        var other = Catalog()
        for record in Self.catalogRecords.reversed() {
            try other.apply(key: record.key, value: record.value)
        }
        #expect(other.digest == catalog.digest)
        for record in Self.catalogRecords.prefix(5) {
            try catalog.apply(key: record.key, value: nil)
        }
        #expect(catalog.namespaceCount == 0)
        #expect(!catalog.requiresToken)
        for record in Self.catalogRecords.prefix(5) { try other.apply(key: record.key, value: nil) }
        #expect(other.digest == catalog.digest)
    }

    @Test func `two namespaces of one name are refused`() throws {
        var catalog = Catalog()
        let time = UnixMilliseconds(rawValue: 1)
        for id in UInt32(1)...2 {
            let record = NamespaceRecord(
                id: NamespaceID(rawValue: id), name: "same", createdAt: time)
            let key = Key.catalog(.namespace, record.id.encoded)
            if id == 1 {
                try catalog.apply(key: key, value: record.encoded())
            } else {
                #expect(throws: CatalogFault.self) {
                    try catalog.apply(key: key, value: record.encoded())
                }
            }
        }
    }

    @Test(arguments: [nil, UnixMilliseconds(rawValue: 0), UnixMilliseconds(rawValue: .max)])
    func `a stored value reads back, with and without an expiry`(expiry: UnixMilliseconds?) throws {
        let version = ValueVersion(index: LogIndex(9_007_199_254_740_991), ordinal: 4_294_967_295)
        for size in [0, 1, 21, 100] {
            let value = StoredValue(
                version: version, expiry: expiry, bytes: [UInt8](repeating: 5, count: size))
            let encoded = value.encoded()
            #expect(StoredValue(decoding: encoded) == value)
            let head = try #require(
                StoredValueHead(
                    decoding: Array(encoded.prefix(StoredValue.headBytesMax)),
                    encodedBytes: encoded.count))
            #expect(head == StoredValueHead(version: version, expiry: expiry, bytes: size))
            for end in 0..<(encoded.count - size) {
                #expect(StoredValue(decoding: Array(encoded[..<end])) == nil)
            }
        }
        #expect(StoredValue(decoding: [2] + [UInt8](repeating: 0, count: 20)) == nil)
    }

    @Test func `an ETag is one text, and only that text`() throws {
        let version = ValueVersion(index: LogIndex(17), ordinal: 3)
        #expect(version.etag == "\"17-3\"")
        #expect(ValueVersion(etag: "\"17-3\"") == version)
        for text in [
            "", "\"", "\"\"", "17-3", "\"17-3", "\"017-3\"", "\"+17-3\"", "\"17-+3\"", "\"17\"",
            "\"17-3-1\"", "\"17-4294967296\"", "W/\"17-3\"", "\"-3\"", "\"17-\"", "\" 17-3\"",
        ] {
            #expect(ValueVersion(etag: text) == nil, "\(text)")
        }
    }

    @Test func `the state's header reads back`() throws {
        let header = StateHeader(
            decoding: StateHeader.empty.encoded())
        #expect(header == .empty)
        var other = StateHeader.empty
        other.position = Position(index: LogIndex(5), hash: Hash128(high: 1, low: 2))
        other.lineage = testLineage
        other.reign = Reign(term: 4, holder: NodeNumber(rawValue: 2))
        other.time = UnixMilliseconds(rawValue: 99)
        other.catalogDigest = Hash128(high: 3, low: 4)
        other.catalogIndex = LogIndex(3)
        let encoded = other.encoded()
        #expect(StateHeader(decoding: encoded) == other)
        #expect(StateHeader(decoding: encoded + [0]) == nil)
        #expect(StateHeader(decoding: encoded.dropLast()) == nil)
    }

    @Test func `the end of a prefix is above all that begin with it`() {
        #expect(Key.end(ofPrefix: [1, 2]) == [1, 3])
        #expect(Key.end(ofPrefix: [1, 0xFF]) == [2])
        #expect(Key.end(ofPrefix: [1, 0xFF, 0xFF]) == [2])
        #expect([0xFF, 0xFE].lexicographicallyPrecedes(Key.end(ofPrefix: [0xFF])))
    }

    @Test func `names of namespaces follow their rule`() {
        for name in ["a", "0", "a.b_c-d", String(repeating: "x", count: 64)] {
            #expect(NamespaceName(rawValue: name) != nil, "\(name)")
        }
        for name in [
            "", "A", ".a", "-a", "_a", "a b", "ä", "batch", String(repeating: "x", count: 65),
        ] {
            #expect(NamespaceName(rawValue: name) == nil, "\(name)")
        }
    }
}
