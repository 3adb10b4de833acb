import ClusterKit
import HTTPClient
import JSON
import Platform
import Testing

/// Some namespaces, each with a token and the same number of keys of 100 bytes.
struct Tenants: Sendable {
    let names: [String]
    let keyCount: Int
    let tokens: [String: String]

    init(_ count: Int, keys: Int, at primary: ConvoyProcess) throws {
        let client = primary.client
        // Two digits, so that the order by name is the order in which they were made.
        names = (10..<10 + count).map { "tenant-\($0)" }
        keyCount = keys
        let made = try client.post(
            "/v1/namespaces/batch", ["create": .array(names.map { ["name": .string($0)] })]
        ).expecting(201)
        let items = made["items"]?.arrayValue ?? []
        tokens = Dictionary(
            uniqueKeysWithValues: items.compactMap { item in
                guard let name = item["name"]?.stringValue, let token = item["token"]?.stringValue
                else { return nil }
                return (name, token)
            })
        for name in names {
            let records = (0..<keys).map { (key: Tenants.key($0), value: Tenants.value(name, $0)) }
            try client.load(records, into: name, batch: 5000)
        }
    }

    static func key(_ number: Int) -> String { "key-\(number)" }

    static func value(_ name: String, _ number: Int) -> [UInt8] {
        let text = "\(name) \(number) "
        return Array((text + String(repeating: "x", count: 100 - text.utf8.count)).utf8)
    }

    /// Test A, step 3: with no further write and no restart everything is on the replica.
    func check(at replica: ConvoyProcess, like primary: ConvoyProcess) throws {
        let expected = try primary.client.list("/v1/namespaces")
        let found = try replica.client.list("/v1/namespaces")
        #expect(found.map { $0["name"] } == expected.map { $0["name"] })
        #expect(found.map { $0["id"] } == expected.map { $0["id"] })
        #expect(found.map(TestClient.replicated) == expected.map(TestClient.replicated))
        #expect(found.count == names.count + 1)
        var random = SeededRandom.announced(for: "sampled keys")
        for name in names {
            let client = replica.client.with(token: tokens[name])
            let own = try client.list("/v1/namespaces")
            #expect(own.map { $0["name"]?.stringValue } == [name], "its token opens \(name) alone")
            #expect(own[0]["keys"]?.integerValue == Int64(keyCount))
            for _ in 0..<min(100, keyCount) {
                let number = Int(random.next() % UInt64(keyCount))
                let value = try client.get(Path.key(Tenants.key(number), in: name))
                #expect(value.body == Tenants.value(name, number))
            }
        }
        // The end of the operation that took it in may come between the two questions.
        try poll(within: .seconds(30), for: "equal digests") { () -> Bool? in
            let digests = try [primary, replica].map { try $0.client.node().catalogDigest }
            return digests[0] != nil && digests[0] == digests[1] ? true : nil
        }
    }
}
