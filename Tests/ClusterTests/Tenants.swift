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

    /// Step 3: with no further write and no restart everything is on the replica.
    func check(at replica: ConvoyProcess, like primary: ConvoyProcess) throws {
        let expected = try primary.client.list("/v1/namespaces")
        let found = try replica.client.list("/v1/namespaces")
        #expect(found.map { $0["name"] } == expected.map { $0["name"] })
        #expect(found.map { $0["id"] } == expected.map { $0["id"] })
        #expect(found == expected)
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
        let digests = try [primary, replica].map { try $0.client.node().catalogDigest }
        #expect(digests[0] != nil && digests[0] == digests[1])
    }
}

/// Step 4: asks a replica each 20 ms, and takes down every answer that no single state can give.
final class CatalogWatch: Sendable {
    struct Findings: Sendable {
        var faults: [String] = []
        var notReady = 0
        var old = 0
        var whole = 0
    }

    private let shared = Monitor((isOver: false, findings: Findings()))
    private let thread: WorkerThread

    init(_ replica: ConvoyProcess, _ tenants: Tenants) {
        let shared = self.shared
        thread = WorkerThread(name: "catalog-watch") {
            var findings = Findings()
            while !shared.withLock({ $0.isOver }) {
                do {
                    try CatalogWatch.look(replica.client, tenants, &findings)
                } catch {
                    findings.faults.append("\(error)")
                }
                rest(.milliseconds(20))
            }
            shared.update { [findings] in $0.findings = findings }
        }
    }

    func finish() throws -> Findings {
        shared.update { $0.isOver = true }
        guard thread.join(until: .now() + .seconds(20)) else {
            throw ClusterFailure("the watch did not end")
        }
        return shared.withLock { $0.findings }
    }

    /// A list, then data, then a list: what is seen later must not be older.
    private static func look(
        _ client: TestClient, _ tenants: Tenants, _ findings: inout Findings
    ) throws {
        guard let last = tenants.names.last, let token = tenants.tokens[last] else { return }
        let before = try client.get("/v1/namespaces")
        let number = tenants.keyCount - 1
        let value = try client.with(token: token).get(Path.key(Tenants.key(number), in: last))
        let after = try client.get("/v1/namespaces")

        let isWholeBefore = try isWhole(before, tenants, &findings)
        let isWholeAfter = try isWhole(after, tenants, &findings)
        switch value.status {
        case 200:
            if value.body != Tenants.value(last, number) {
                findings.faults.append("a wrong value: \(value)")
            }
            if !isWholeAfter { findings.faults.append("new data under an old list: \(after)") }
        case 401, 404, 503:
            if isWholeBefore { findings.faults.append("a list without its data: \(value)") }
        default:
            findings.faults.append("\(value)")
        }
        if isWholeBefore {
            findings.whole += 1
        } else if before.status == 503 {
            findings.notReady += 1
        } else {
            findings.old += 1
        }
    }

    private static func isWhole(
        _ answer: TestAnswer, _ tenants: Tenants, _ findings: inout Findings
    ) throws -> Bool {
        guard answer.status == 200 else {
            if answer.problem != "not-ready" { findings.faults.append("\(answer)") }
            return false
        }
        let items = answer["items"]?.arrayValue ?? []
        let names = items.compactMap { $0["name"]?.stringValue }
        if names == ["default"] { return false }
        let counts = items.filter { $0["name"] != "default" }.compactMap {
            $0["keys"]?.integerValue
        }
        let areFull = counts.allSatisfy { $0 == Int64(tenants.keyCount) }
        if names != ["default"] + tenants.names || !areFull {
            findings.faults.append("neither the old list nor the new one: \(names) \(counts)")
        }
        return true
    }
}
