import ClusterKit
import HTTPClient
import Platform
import Testing

/// The suite's own faulty network does what it says.
@Suite(.cluster) struct FaultyProxyTests {
    @Test(.timeLimit(.minutes(3)))
    func `a proxy forwards, freezes, slows, drops and cuts`() throws {
        let node = try TestCluster().primary
        _ = try node.client.put(Path.key("large"), [UInt8](repeating: 1, count: 200_000))
        let proxy = try FaultyProxy(to: node.port)
        let client = TestClient(base: proxy.address)
        var hasty = client
        hasty.patience = .milliseconds(500)
        func isUnanswered(by client: TestClient) throws -> Bool {
            do {
                _ = try client.get("/livez")
                return false
            } catch FetchError.timedOut(let phase) {
                return phase != .connect
            }
        }

        #expect(try client.get("/livez").status == 200)
        #expect(proxy.traffic.connections == 1)

        proxy.conduct = .frozen
        #expect(try isUnanswered(by: hasty))
        proxy.conduct = .healthy
        #expect(try client.get("/livez").status == 200)

        proxy.conduct.toClient = .limited(bytesPerSecond: 200_000)
        let start = MonotonicTime.now()
        #expect(try client.get(Path.key("large")).body.count == 200_000)
        let took = (MonotonicTime.now() - start).inSeconds
        #expect(took > 0.7 && took < 15, "200 kB at 200 kB/s took \(took) s")

        proxy.conduct = FaultyProxy.Conduct(toClient: .dropped)
        #expect(try isUnanswered(by: hasty))
        #expect(proxy.traffic.bytesToServer > 0)
        proxy.conduct = .healthy
        #expect(try client.get("/livez").status == 200)

        proxy.cut()
        try poll(within: .seconds(20), for: "no connection is left") {
            proxy.traffic.openConnections == 0 ? true : nil
        }
        #expect(try client.get("/livez").status == 200, "a new connection is taken")
        proxy.conduct = .refusing
        proxy.cut()
        #expect(throws: FetchError.self) { try client.get("/livez") }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a replica behind a network that freezes and is cut ends equal`() throws {
        let cluster = try TestCluster(empty: [])
        let port = try FreePort.take()
        let proxy = try FaultyProxy(to: port)
        let primary = try cluster.start(cluster.makeNode(port: port, address: proxy.address))
        try primary.client.load(
            (0..<500).map { ("k\($0)", SeededRandom.block($0, 4096)) }, into: "default")
        let replica = try cluster.start(cluster.makeNode())
        // Two megabytes: long enough to be seen, and cut, in their midst.
        proxy.conduct.toClient = .limited(bytesPerSecond: 50_000)
        _ = try cluster.beginTakingIn(replica)
        try poll(within: .seconds(30), for: "the transfer runs") {
            try replica.client.node().fullSyncBytesDone ?? 0 > 0
                ? true : nil
        }
        proxy.cut()
        rest(.milliseconds(300))
        proxy.conduct = .healthy
        try primary.client.waitUntilInSync()
        #expect(try replica.client.node().fullSyncs == 1)

        for round in 0..<2 {
            proxy.conduct = .frozen
            for number in 0..<20 {
                _ = try primary.client.put(Path.key("r\(round)-\(number)"), [1]).expecting(201)
            }
            try poll(within: .seconds(20), for: "the replica notices") {
                try replica.client.node().state == "streaming" ? nil : true
            }
            #expect(try replica.client.get(Path.key("k7")).status == 200, "it serves what it has")
            if round == 1 { proxy.cut() }
            proxy.conduct = .healthy
            try primary.client.waitUntilInSync()
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }
}
