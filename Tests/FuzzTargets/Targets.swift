import Access
import JSON
import Log
import Platform

@testable import Engine
@testable import HTTPServer

extension FuzzTarget {
    /// What a client sends as its token, and what an operator writes as networks and secrets.
    static let token = FuzzTarget(
        name: "token",
        samples: [Token(kind: .admin), Token(kind: .namespace)].map { Array($0.text.utf8) }
            + [Array("cvy_ad__".utf8), Array("10.0.0.0/8".utf8), Array("fe80::/10".utf8)]
    ) { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        _ = ClusterSecrets(text: text)
        if let token = Token(text: text), token.text != text { return false }
        if let key = SessionKey(text: text), key.text != text { return false }
        if let network = Network(text), Network(network.description) != network { return false }
        return true
    }

    static let json = FuzzTarget(
        name: "json",
        samples: [
            "{\"operations\":[{\"op\":\"put\",\"key\":\"k\",\"value\":\"v\"}]}", "[1,2.5e-3,null]",
            "{\"a\":{\"b\":[true,false,\"\\u00e9\\ud83d\\ude00\"]}}", "\"\\\"\\\\\"",
            "-9223372036854775808",
        ].map { Array($0.utf8) }
    ) { bytes in
        guard let value = try? JSONValue(parsing: bytes) else { return true }
        return (try? JSONValue(parsing: value.serialized())) == value
    }

    /// Records as they come over a link, in pieces of any size.
    static let record: FuzzTarget = {
        let first = Record(
            after: .origin, reign: Reign(term: 1, holder: NodeNumber(rawValue: 1)), kind: .data,
            time: UnixMilliseconds(rawValue: 1), payload: Array("payload".utf8))
        let second = Record(
            after: first.position, reign: first.reign, kind: .barrier,
            time: UnixMilliseconds(rawValue: 2), payload: [])
        return FuzzTarget(
            name: "record", samples: [first.encode(), first.encode() + second.encode()]
        ) { bytes in
            var stream = RecordStream(after: .origin)
            var rest = bytes[...]
            var position = Position.origin
            while !rest.isEmpty {
                let piece = rest.prefix(1 + rest.count / 3)
                rest = rest.dropFirst(piece.count)
                stream.push(Array(piece))
                do {
                    while let frame = try stream.next() {
                        guard case .record(let record) = frame else { continue }
                        guard record.position.index == position.index.next else { return false }
                        position = record.position
                    }
                } catch {
                    return true  // Refused.
                }
            }
            return true
        }
    }()

    /// What an entry of another node would write, and what the catalog reads of it.
    static let entry: FuzzTarget = {
        var operations = WriteOperations()
        operations.put(Key.data(.default, epoch: 1, [1]), [0, 1, 2])
        operations.delete(Key.data(.default, epoch: 1, [2]))
        let payload = EntryPayload(
            counters: [EntryCounters(namespace: .default, usage: Usage(keys: 1, bytes: 2))],
            operations: operations)
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
        return FuzzTarget(
            name: "entry",
            samples: [payload.bytes, operations.bytes, token.encoded(), audit.encoded()]
        ) { bytes in
            _ = WriteOperations.decode(bytes, in: 0..<bytes.count, count: UInt32(bytes.count % 7))
            if let payload = EntryPayload(decoding: bytes) {
                let found = WriteOperations.dataWrites(
                    payload.bytes, in: payload.operationsRange, count: payload.operationCount)
                if found != nil, payload.operations() == nil { return false }
            }
            if let record = AuditRecord(number: 1, decoding: bytes),
                AuditRecord(number: 1, decoding: record.encoded()) != record
            {
                return false
            }
            for kind in CatalogKind.allCases {
                var catalog = Catalog()
                try? catalog.apply(key: [KeyPrefix.catalog, kind.rawValue] + [116], value: bytes)
                try? catalog.apply(key: [KeyPrefix.catalog, kind.rawValue], value: bytes)
            }
            return true
        }
    }()

    static let path = FuzzTarget(
        name: "path",
        samples: [
            "/v1/namespaces/a/keys/a%2Fb%00c", "/v1/sync?wait=in_sync%3E%3D1&timeout=30s",
            "/?a&b=%C3", "/%", "/..//%2e",
        ].map { Array($0.utf8) }
    ) { bytes in
        guard let target = try? RequestTarget(bytes, method: .get) else { return true }
        _ = target.query
        for count in 0..<4 { _ = target.rest(afterSegments: count) }
        _ = target.queryBytes("a")
        return !target.segments.isEmpty
    }
}
