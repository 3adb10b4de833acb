// Symptom (kvrocks#462): after a failover the old primary asks for an offset that the new one also
// has, with other content; the link is up, the offsets are equal, and the data differs for ever.

import ClusterKit
import JSON
import Platform
import Testing

/// Test B of INCIDENTS.md, step 6: equal indexes are not taken for equal histories.
@Suite(.cluster) struct DivergedHistoryTests {
    /// Test B, step 6: equal numbers of writes on both sides.
    @Test(.timeLimit(.minutes(3)), arguments: [1, 2, 16, 17])
    func `a fork that comes back gives up its own writes, which are kept`(writes: Int) throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, fork) = (cluster.primary, cluster[1])
        _ = try primary.client.put(Path.key("x"), Array("000".utf8)).expecting(201)
        _ = try primary.client.delete("/v1/nodes/n2").expecting(200)
        try fork.client.waitUntilState("detached")
        let parted = try #require(fork.client.node().position)

        try fork.client.becomePrimary("n2")
        #expect(try fork.client.node().role == "primary")
        for number in 1..<writes {
            _ = try fork.client.put(Path.key("f\(number)"), [1]).expecting(201)
            _ = try primary.client.put(Path.key("p\(number)"), [2]).expecting(201)
        }
        _ = try fork.client.put(Path.key("x"), Array("222".utf8)).expecting(204)
        _ = try primary.client.put(Path.key("x"), Array("111".utf8)).expecting(204)
        // The primary gets as far as the fork, which had two entries more to begin with.
        var own = try #require(primary.client.node().position)
        let other = try #require(fork.client.node().position)
        while own.index < other.index {
            _ = try primary.client.barrier()
            own = try #require(primary.client.node().position)
        }
        #expect(own.index == other.index)
        #expect(own.hash != other.hash)

        let refused = try primary.client.addNode(at: fork.address)
        #expect(refused.status == 409, "\(refused)")
        #expect(refused.problem == "node-not-empty")
        #expect(try fork.client.get(Path.key("x")).text == "222")
        try cluster.takeIn(fork, options: ["discard_data": true])

        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try fork.client.get(Path.key("x")).text == "111")
        #expect(try fork.client.get(Path.key("f1")).status == 404)
        let view = try fork.client.node()
        #expect(view.lastFullSyncReason == "history-diverged")
        #expect(view.divergedEntries == Int64(other.index - parted.index))
        #expect(try fork.divergedFiles().count == 1)
        #expect(try primary.client.node().divergedEntries == 0)
        #expect(try primary.divergedFiles() == [])
    }

    /// Test B, step 6: an old primary with 3 entries that nobody else had.
    @Test(.timeLimit(.minutes(3)))
    func `entries that only the old primary had are kept when it comes back`() throws {
        let cluster = try TestCluster(empty: [])
        let (old, proxy) = try cluster.makeNodeBehindProxy()
        try old.start()
        let heir = try cluster.addReplica()
        _ = try old.client.put(Path.key("x"), Array("000".utf8)).expecting(201)
        let parted = try KeyComparison.waitForOnePosition(cluster.nodes)

        proxy.conduct.toClient = .frozen
        for number in 1...3 {
            let value = Array("11\(number)".utf8)
            _ = try old.client.put(Path.key("x"), value).expecting(204)
        }
        let lost = try #require(old.client.node().position)
        old.kill()
        proxy.cut()
        proxy.conduct = .healthy
        #expect(try heir.client.node().position == parted, "nothing of the three has arrived")

        try heir.client.becomePrimary("n2", acceptDataLoss: true)
        _ = try heir.client.put(Path.key("x"), Array("222".utf8)).expecting(204)
        while try #require(heir.client.node().position).index < lost.index {
            _ = try heir.client.barrier()
        }
        try old.start(until: .alive)
        try heir.client.waitUntilInSync()

        #expect(try KeyComparison([heir, old]).differences == [])
        #expect(try old.client.get(Path.key("x")).text == "222")
        let view = try old.client.node()
        #expect(view.role == "replica")
        #expect(view.upstream == "n2")
        #expect(view.lastFullSyncReason == "history-diverged")
        #expect(view.divergedEntries == 3)
        #expect(lost.index - parted.index == 3)
        #expect(try old.divergedFiles().count == 1)
        #expect(try heir.client.node().divergedEntries == 0)
        let listed = try CommandRun(ConvoyBinary.path(), ["diverged", old.dataPath])
        #expect(listed.exitCode == 0, "\(listed.errors)")
        #expect(listed.text.matches(of: /key "x"/).count == 3, "\(listed.text)")
        #expect(!listed.text.contains("\"113\""), "values only on request")
        let told = try CommandRun(ConvoyBinary.path(), ["diverged", "--values", old.dataPath])
        #expect(told.text.contains("\"113\""), "\(told.text)")

        // What was counted stays counted, and nothing is taken for diverged twice.
        try old.stop()
        try old.start()
        try heir.client.waitUntilInSync()
        #expect(try old.client.node().divergedEntries == 3)
        #expect(try old.client.node().fullSyncs == 1)
    }

    /// The primary was set back to a copy of its directory, and wrote other entries in the same reign.
    @Test(.timeLimit(.minutes(3)))
    func `two histories of one reign are an alarm, until a resync ends it`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, replica) = (cluster.primary, cluster[1])
        _ = try primary.client.put(Path.key("x"), [0]).expecting(201)
        try primary.client.waitUntilInSync()
        try replica.stop()
        try primary.stop()
        let copy = "\(primary.dataPath)-copy"
        #expect(try CommandRun("/bin/cp", ["-r", primary.dataPath, copy]).exitCode == 0)
        try primary.start()
        try replica.start()
        _ = try primary.client.put(Path.key("x"), [1]).expecting(204)
        try primary.client.waitUntilInSync()
        try KeyComparison.waitForOnePosition(cluster.nodes)
        try replica.stop()
        try primary.stop()
        try FileSystem.removeTree(primary.dataPath)
        #expect(try CommandRun("/bin/mv", [copy, primary.dataPath]).exitCode == 0)
        try primary.start()
        for number in 0..<20 { _ = try primary.client.put(Path.key("y\(number)"), [2]) }
        try replica.start(until: .alive)

        func alarm(at node: ConvoyProcess) throws -> JSONValue? {
            try node.client.get("/v1/sync")["alarms"]?.arrayValue?.first {
                $0["code"] == "history-damaged"
            }
        }
        for node in cluster.nodes {
            let told = try poll(within: .seconds(30), for: "\(node.name) raises the alarm") {
                try alarm(at: node)
            }
            #expect(told["node"] == "n2", "\(told)")
            #expect(
                told["next_step"]?.stringValue
                    == "curl -X POST \(primary.address)/v1/nodes/n2/resync")
            try poll(within: .seconds(20), for: "\(node.name) counts it") {
                let exposition = try Exposition(node.client.get("/metrics").text)
                let count = exposition.value("convoy_alarms", ["code": "history-damaged"])
                return count == 1 ? true : nil
            }
        }
        let vetoes = try replica.client.node().json["vetoes"]?.arrayValue ?? []
        #expect(vetoes.contains { $0.stringValue?.hasPrefix("history-damaged: ") == true })
        let begun = try primary.client.post("/v1/nodes/n2/resync").expecting(202)
        try primary.client.waitUntilDone(try #require(begun["id"]?.stringValue))
        try primary.client.waitUntilInSync()
        for node in cluster.nodes {
            try poll(within: .seconds(20), for: "\(node.name) has no alarm any more") {
                try alarm(at: node) == nil ? true : nil
            }
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.divergedFiles().count == 1, "what only it had is kept")
    }
}
