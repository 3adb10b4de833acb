import ClusterKit
import JSON
import Platform
import Testing

/// What a namespace holds and gets, and the list in that order.
@Suite(.cluster) struct NamespaceUsageTests {
    private func namespace(_ node: ConvoyProcess, _ name: String = "alpha") throws -> JSONValue {
        try node.client.get(Path.namespace(name)).expecting(200).json
    }

    @Test(.timeLimit(.minutes(3)))
    func `rates are what a node itself has seen, and the last write is the same everywhere`() throws
    {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        _ = try primary.client.createNamespace("alpha")
        #expect(try namespace(primary)["last_write_at"] == .null)
        let before = UnixMilliseconds.now()
        var last: UInt64?
        for number in 0..<40 {
            last = try primary.client.put(Path.key("k\(number)", in: "alpha"), [1])
                .expecting(201).index
        }
        // Rates fade within seconds: what they are is looked at before anything is waited for.
        let here = try namespace(primary)
        try replica.client.waitUntilApplied(try #require(last))
        for _ in 0..<30 { _ = try replica.client.get(Path.key("none", in: "alpha")).expecting(404) }
        let there = try namespace(replica)
        func rate(_ json: JSONValue, _ kind: String) throws -> Double {
            try #require(json["\(kind)_per_second"]?.numberValue)
        }
        // Each request counts a tenth, and fades.
        #expect(try rate(here, "writes") > 1 && rate(here, "writes") <= 4)
        #expect(try rate(here, "reads") == 0)
        #expect(try rate(there, "reads") > 0.8 && rate(there, "reads") <= 3)
        #expect(try rate(there, "writes") == 0)
        let at = try #require(here["last_write_at"]?.stringValue)
        #expect(there["last_write_at"]?.stringValue == at)
        let time = try #require(UnixMilliseconds(rfc3339: at))
        #expect(time >= before && time.rawValue < before.rawValue + 600_000)

        // A restart, a full sync and a switch of primaries leave it as it is.
        try primary.client.waitUntilInSync()
        for node in cluster.nodes {
            try node.stop()
            try node.start()
        }
        try primary.client.waitUntilInSync()
        let third = try cluster.addReplica()
        try primary.client.switchOver(from: "n1", to: "n3")
        try third.client.waitUntilInSync()
        for node in cluster.nodes {
            let shown = try namespace(node)
            #expect(shown["last_write_at"]?.stringValue == at, "\(node.name)")
            #expect(shown["keys"] == 40)
            #expect(try rate(shown, "reads") == 0, "new with each start")
        }
        _ = try third.client.delete(Path.key("k1", in: "alpha")).expecting(204)
        #expect(try namespace(third)["last_write_at"]?.stringValue != at)
    }

    @Test(.timeLimit(.minutes(3)))
    func `the list is sorted by what namespaces use, and a page token says its order`() throws {
        let client = try TestCluster().primary.client
        for number in 0..<12 {
            _ = try client.createNamespace("t\(number)")
            let records = (0..<(number * 7 % 12)).map {
                (key: "k\($0)", value: [UInt8](repeating: 1, count: number))
            }
            if !records.isEmpty { try client.load(records, into: "t\(number)") }
        }
        for sort in ["keys", "bytes", "last_write_at", "id", "name", "writes_per_second"] {
            for order in ["asc", "desc"] {
                // Rates fade between pages.
                let size = sort == "writes_per_second" ? 100 : 5
                let items = try client.list(
                    "/v1/namespaces?prefix=t&sort=\(sort)&order=\(order)", pageSize: size)
                #expect(Set(items.map { $0["name"]?.stringValue }).count == 12)
                #expect(items.count == 12)
                let values = items.map { item in
                    item[sort]?.stringValue
                        ?? String(
                            repeating: " ", count: 12 - "\(Int(item[sort]?.numberValue ?? 0))".count
                        )
                        + "\(Int(item[sort]?.numberValue ?? 0))"
                }
                #expect(
                    values == (order == "asc" ? values.sorted() : values.sorted(by: >)), "\(sort)")
            }
        }
        let page = try client.get("/v1/namespaces?sort=keys&page_size=2").expecting(200)
        let token = try #require(page["next_page_token"]?.stringValue)
        for other in ["sort=bytes", "sort=keys&order=desc", "prefix=t"] {
            let answer = try client.get("/v1/namespaces?\(other)&page_token=\(token)")
            #expect(answer.status == 400, "\(other): \(answer)")
        }
        for wrong in ["sort=size", "order=up", "sort=", "sort=keys&sort=bytes"] {
            #expect(try client.get("/v1/namespaces?\(wrong)").status == 400, "\(wrong)")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `the metrics show the rates of those that get most, and never more than twenty`() throws {
        let client = try TestCluster().primary.client
        let names = (0..<30).map { "ns-\($0)" }
        _ = try client.post(
            "/v1/namespaces/batch", ["create": .array(names.map { ["name": .string($0)] })]
        ).expecting(201)
        for (place, name) in names.enumerated() {
            for _ in 0..<(place / 10 + 1) { _ = try client.put(Path.key("k", in: name), [1]) }
        }
        let metrics = Exposition(try client.get("/metrics").expecting(200).text)
        #expect(metrics.faults == [])
        let shown = metrics.all("convoy_namespace_writes_per_second")
        #expect(shown.count == 20)
        // Three tenths, less what has faded since.
        for name in names.suffix(10) {
            #expect(shown.contains { $0.labels["namespace"] == name && $0.value > 0.02 }, "\(name)")
        }
        #expect(metrics.all("convoy_namespace_reads_per_second").count == 20)
    }
}
