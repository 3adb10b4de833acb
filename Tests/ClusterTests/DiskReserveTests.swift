import ClusterKit
import JSON
import Platform
import Testing

/// A disk with less free than is kept in reserve: what the node refuses, and what every node says of it.
@Suite(.cluster) struct DiskReserveTests {
    /// More than any disk has.
    private static let flags = ["--disk-reserve-bytes", "1000000000000000"]

    /// The worst of what it says, as soon as that is this.
    private func verdict(_ node: ConvoyProcess, once code: String) throws -> JSONValue {
        try poll(within: .seconds(30), for: "\(node.name) says \(code)") { () -> JSONValue? in
            let worst = try node.client.get("/v1/sync").expecting(200)["verdict"]?[0]
            return worst?["code"]?.stringValue == code ? worst : nil
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func
        `a primary whose disk is nearly full refuses writes, and every node says so and since when`()
        throws
    {
        let cluster = try TestCluster(nodes: 2)
        let primary = cluster.primary.client
        _ = try primary.put(Path.key("k"), [1]).expecting(201)
        try primary.waitUntilInSync()
        try cluster[0].stop()
        cluster[0].setFlags(DiskReserveTests.flags)
        try cluster[0].start()
        for node in cluster.nodes {
            let said = try verdict(node, once: "disk-nearly-full")
            #expect(said["level"] == "bad")
            #expect(said["node"] == "n1")
            #expect(said["since"]?.stringValue != nil)
            let text = said["text"]?.stringValue ?? ""
            #expect(text.hasPrefix("n1 cannot answer writes with success"), "\(text)")
            #expect(text.contains("Next: make room on the disk"), "\(text)")
            try poll(within: .seconds(20), for: "\(node.name) has it as an alarm") {
                let sync = try node.client.get("/v1/sync")
                #expect(sync["writable"] == false, "\(sync)")
                let alarms = sync["alarms"]?.arrayValue ?? []
                let isTold = alarms.contains {
                    $0["code"] == "disk-nearly-full" && $0["node"] == "n1"
                }
                return isTold ? true : nil
            }
        }
        let refused = try primary.put(Path.key("k"), [2])
        #expect(refused.status == 507 && refused.problem == "disk-nearly-full", "\(refused)")
        #expect(try primary.delete(Path.key("k")).status < 300, "what makes room is taken")

        try cluster[0].stop()
        cluster[0].setFlags([])
        try cluster[0].start()
        for node in cluster.nodes {
            _ = try verdict(node, once: "well")
        }
        #expect(try primary.put(Path.key("k"), [2]).status == 201)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a replica whose disk is nearly full is a warning everywhere, and writes go on`() throws {
        let cluster = try TestCluster(nodes: 2)
        try cluster.primary.client.waitUntilInSync()
        try cluster[1].stop()
        cluster[1].setFlags(DiskReserveTests.flags)
        try cluster[1].start()
        for node in cluster.nodes {
            let said = try verdict(node, once: "disk-nearly-full")
            #expect(said["level"] == "warn")
            #expect(said["node"] == "n2")
            // A node that has just been started has not heard the primary yet.
            try poll(within: .seconds(20), for: "\(node.name) knows that writes are taken") {
                try node.client.get("/v1/sync")["writable"] == true ? true : nil
            }
        }
        _ = try cluster.primary.client.put(Path.key("k") + "?acks=1&timeout=12s", [1])
            .expecting(201)
    }
}
