import Access
import Foundation
import JSON
import Log
import Platform
import Testing

@testable import Engine
@testable import HTTPServer

/// Bytes of nobody's making on whatever reads bytes from outside: refused or read, never a crash, and
/// what is read can be written again.
///
/// CONVOY_FUZZ_SECONDS  how long each target is tried (10)
/// CONVOY_SEED          which bytes; a failure prints it
@Suite(.serialized) struct FuzzTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// Tries `target` with bytes that are made out of `samples` until the time is over.
    private func fuzz(
        _ name: String, _ samples: [[UInt8]], _ target: ([UInt8]) throws -> Void
    ) rethrows {
        let seconds = Self.environment["CONVOY_FUZZ_SECONDS"].flatMap(Double.init) ?? 10
        let seed =
            Self.environment["CONVOY_SEED"].flatMap { UInt64($0) }
            ?? UInt64.random(in: 0..<1_000_000_000)
        var mutator = Mutator(seed: seed, samples: samples)
        let end = MonotonicTime.now() + .milliseconds(Int64(seconds * 1000))
        var count = 0
        // For a crash: the last thing that is seen then.
        print("\(name): CONVOY_SEED=\(seed)")
        while MonotonicTime.now() < end {
            for _ in 0..<100 { try target(mutator.next()) }
            count += 100
        }
        print("\(name): \(count) inputs")
        #expect(count > 1_000)
    }

    @Test func `the token parser`() {
        let samples = [Token(kind: .admin), Token(kind: .namespace)].map { Array($0.text.utf8) }
        fuzz("token", samples + [Array("cvy_ad__".utf8)]) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            if let token = Token(text: text) { #expect(token.text == text) }
            if let key = SessionKey(text: text) { #expect(key.text == text) }
            if let network = Network(text) { #expect(Network(network.description) == network) }
            _ = ClusterSecrets(text: text)
        }
    }

    @Test func `the JSON reader`() throws {
        let samples = [
            "{\"operations\":[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}]}", "[1,2.5e-3,null]",
            "{\"a\":{\"b\":[true,false,\"\\u00e9\\ud83d\\ude00\"]}}", "\"\\\"\\\\\"",
            "-9223372036854775808",
        ]
        try fuzz("JSON", samples.map { Array($0.utf8) }) { bytes in
            guard let value = try? JSONValue(parsing: bytes) else { return }
            let again = try JSONValue(parsing: value.serialized())
            #expect(again == value)
        }
    }

    @Test func `the reader of log records`() {
        let first = Record(
            after: .origin, reign: Reign(term: 1, holder: NodeNumber(rawValue: 1)), kind: .data,
            time: UnixMilliseconds(rawValue: 1), payload: Array("payload".utf8))
        let second = Record(
            after: first.position, reign: first.reign, kind: .barrier,
            time: UnixMilliseconds(rawValue: 2), payload: [])
        fuzz("record", [first.encode(), first.encode() + second.encode()]) { bytes in
            var stream = RecordStream(after: .origin)
            var rest = bytes[...]
            var position = Position.origin
            do {
                while !rest.isEmpty {
                    let piece = rest.prefix(1 + rest.count / 3)
                    rest = rest.dropFirst(piece.count)
                    stream.push(Array(piece))
                    while let frame = try stream.next() {
                        guard case .record(let record) = frame else { continue }
                        #expect(record.position.index == position.index.next)
                        position = record.position
                    }
                }
            } catch {
                return  // Refused.
            }
        }
    }

    @Test func `the validator of entries and what the catalog reads`() {
        var operations = WriteOperations()
        operations.put(Key.data(.default, epoch: 1, [1]), [0, 1, 2])
        operations.delete(Key.data(.default, epoch: 1, [2]))
        let payload = EntryPayload(
            counters: [(.default, Usage(keys: 1, bytes: 2))], operations: operations)
        let token = TokenRecord(
            lookupID: "t", namespace: nil, algorithm: "sha256", hash: [1], scopes: .allOfCluster,
            createdAt: UnixMilliseconds(rawValue: 1), networks: ["10.0.0.0/8"])
        let audit = AuditRecord(
            number: 1, after: .origin, time: UnixMilliseconds(rawValue: 1), author: .system,
            action: "x.y",
            changes: [
                AuditChange(
                    subject: "s", before: nil, after: [.init(name: "n", value: .list(["a"]))])
            ], omitted: 0, previous: .zero)
        fuzz("entry", [payload.bytes, operations.bytes, token.encoded(), audit.encoded()]) {
            bytes in
            _ = WriteOperations.decode(bytes, in: 0..<bytes.count, count: UInt32(bytes.count % 7))
            if let payload = EntryPayload(decoding: bytes) {
                let found = WriteOperations.dataWrites(
                    payload.bytes, in: payload.operationsRange, count: payload.operationCount)
                if found != nil { #expect(payload.operations() != nil) }
            }
            if let record = AuditRecord(number: 1, decoding: bytes) {
                #expect(AuditRecord(number: 1, decoding: record.encoded()) == record)
            }
            for kind in CatalogKind.allCases {
                var catalog = Catalog()
                try? catalog.apply(key: [KeyPrefix.catalog, kind.rawValue] + [116], value: bytes)
                try? catalog.apply(key: [KeyPrefix.catalog, kind.rawValue], value: bytes)
            }
        }
    }

    @Test func `the decoder of paths and queries`() {
        let samples = [
            "/v1/namespaces/a/keys/a%2Fb%00c", "/v1/sync?wait=in_sync%3E%3D1&timeout=30s",
            "/?a&b=%C3",
            "/%", "/..//%2e",
        ]
        fuzz("path", samples.map { Array($0.utf8) }) { bytes in
            guard let target = try? RequestTarget(bytes, method: .get) else { return }
            let segments = target.segments
            #expect(!segments.isEmpty)
            _ = target.query
            for count in 0..<4 { _ = target.rest(afterSegments: count) }
            _ = target.queryBytes("a")
        }
    }
}

/// Makes bytes that are like the samples, and less and less so.
private struct Mutator {
    private var random: Numbers
    private let samples: [[UInt8]]

    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// What parsers stumble over.
    private static let nasty: [UInt8] = [
        0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x25, 0x2F, 0x5B, 0x5C, 0x7B,
    ]

    init(seed: UInt64, samples: [[UInt8]]) {
        random = Numbers(state: seed)
        self.samples = samples
    }

    mutating func next() -> [UInt8] {
        var bytes = samples.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 0...6, using: &random) { change(&bytes) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let place = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where !bytes.isEmpty: bytes[place] = Self.nasty.randomElement(using: &random) ?? 0
        case 2 where !bytes.isEmpty: bytes.remove(at: place)
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 4: bytes.removeLast(min(bytes.count, Int.random(in: 0...8, using: &random)))
        case 5:
            let other = samples.randomElement(using: &random) ?? []
            bytes.replaceSubrange(place..., with: other.dropFirst(min(place, other.count)))
        default:
            let piece = bytes.dropFirst(place).prefix(Int.random(in: 0...16, using: &random))
            bytes.insert(contentsOf: Array(piece), at: place)
        }
        if bytes.count > 4_096 { bytes.removeLast(bytes.count - 4_096) }
    }
}
