// Symptom (kvrocks PR#2662, #2671): a full sync is under way, the primary vanishes without closing
// its sockets, and the command that names another primary hangs, with the whole server.

import ClusterKit
import JSON
import Platform
import Testing

/// Test D of INCIDENTS.md; its step 6 is in `StoppedPrimaryTests`.
@Suite(.cluster) struct SilentPrimaryTests {
    /// Test D, steps 1 to 3.
    @Test(.timeLimit(.minutes(6)))
    func `a claim is answered at once while a full sync hangs`() throws {
        let scene = try SilentPrimary()
        let replica = scene.replica.client
        try scene.beginFullSync()
        // That it begins is an entry, which n3 gets from nobody else.
        try KeyComparison.waitForOnePosition([scene.primary, scene.third])
        scene.third.kill()
        scene.proxy.conduct = .frozen
        try scene.replicaClaims("n3", "in a full sync that hangs")
        let link = try poll(within: .seconds(20), for: "the new link says what is wrong") {
            let link = try replica.link(from: "n3", to: "n2")
            return link?["attempt"]?.integerValue ?? 0 >= 1 && link?["last_error"]?.isNull == false
                ? link : nil
        }
        #expect(link["configured"] == false)
        try scene.replicaAnswersAtOnce(
            for: .seconds(isFullRun ? 10 : 3), "while its full sync hangs")

        // The one that was claimed comes back: the replica needs no other.
        try scene.third.start(until: .alive)
        try replica.waitUntilState("streaming", within: 60)
        #expect(try replica.node().upstream == "n3")
        try KeyComparison.waitForOnePosition(scene.cluster.nodes)
        try scene.heal()
        #expect(try replica.node().claimedUpstream == nil)
    }

    /// Test D, steps 1 and 2, the second run.
    @Test(.timeLimit(.minutes(6)))
    func `a failover to a third node frees a replica whose full sync hangs`() throws {
        let scene = try SilentPrimary()
        let (replica, third) = (scene.replica.client, scene.third.client)
        try scene.beginFullSync()
        scene.proxy.conduct = .frozen
        let begun = try LatencyProbe.time { try third.failOver(to: "n3", acceptDataLoss: true) }
        print("failover beside a full sync that hangs: answered in \(begun.took)")
        #expect(begun.result.status == 202, "\(begun.result)")
        #expect(begun.took < SilentPrimary.claimTimeMax)
        try third.waitUntilDone(try #require(begun.result["id"]?.stringValue))
        try poll(within: SilentPrimary.goneTimeMax, for: "the link with n1 is gone") {
            try replica.link(from: "n1", to: "n2") == nil ? true : nil
        }
        #expect(try third.put(Path.key("after"), [1]).status == 201)
        try replica.waitUntilState("streaming", within: 60)
        #expect(try replica.node().upstream == "n3")
        #expect(try KeyComparison([scene.third, scene.replica]).differences == [])

        scene.proxy.conduct = .healthy
        try third.waitUntilInSync(within: 60)
        #expect(try scene.primary.client.node().role == "replica")
        #expect(try KeyComparison(scene.cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(6)))
    func `a full sync that hung goes on where it was`() throws {
        let scene = try SilentPrimary()
        let replica = scene.replica.client
        let before = scene.proxy.traffic.bytesToClient
        let total = try scene.beginFullSync()
        let sockets = try scene.replica.connections(to: scene.proxy.port)
        scene.proxy.conduct = .frozen
        let done = try #require(try replica.node().fullSyncBytesDone)
        let frozen = MonotonicTime.now()
        let frozenAt = UnixMilliseconds.now()
        // Who comes late sees a later try: each is shown for half a second at least.
        let time: Duration = .seconds(isFullRun ? 4 : 60)
        let stalled = try poll(within: time, for: "the replica says that it is stalled") {
            let view = try replica.node()
            return view.state == "stalled" ? view : nil
        }
        print("stalled after \(MonotonicTime.now() - frozen): \(stalled.lastError ?? "")")
        #expect(stalled.lastError?.contains("idle-timeout") == true)
        let erredAt = try #require(stalled.json["last_error_at"]?.stringValue)
        #expect(try #require(UnixMilliseconds(rfc3339: erredAt)) > frozenAt)
        let retryAt = try #require(stalled.nextRetryAt.flatMap(UnixMilliseconds.init(rfc3339:)))
        let erred = try #require(UnixMilliseconds(rfc3339: erredAt))
        #expect(retryAt > erred)
        #expect(retryAt.rawValue < erred.rawValue + 7_000, "five seconds later at most")
        #expect(stalled.attempt ?? 0 >= 1)
        #expect(stalled.json["full_sync"]?["bytes_per_second"]?.numberValue == 0, "nothing flows")
        #expect(stalled.json["full_sync"]?["eta_seconds"] == .null)
        try poll(within: .seconds(20), for: "the sockets of the transfer are closed") {
            try scene.replica.connections(to: scene.proxy.port) <= sockets - 4 ? true : nil
        }
        try scene.replicaAnswersAtOnce(for: .seconds(2), "stalled")
        let later = try poll(within: .seconds(40), for: "it has tried again, in vain") {
            () throws -> NodeView? in
            let view = try replica.node()
            return view.attempt ?? 0 >= 2 ? view : nil
        }
        #expect(later.lastError != nil)
        #expect(later.fullSyncBytesDone ?? 0 >= done, "what it has it keeps")

        scene.proxy.conduct = .healthy
        scene.proxy.conduct.toClient = .limited(bytesPerSecond: SilentPrimary.slowRate)
        let resumed = try poll(
            within: .seconds(40), every: .milliseconds(5), for: "it says what it has already"
        ) {
            let bytes = try replica.node().resumedBytes
            return bytes ?? 0 > 0 ? bytes : nil
        }
        #expect(resumed >= done)
        scene.proxy.conduct = .healthy
        try scene.primary.client.waitUntilInSync(within: 60)
        let sent = scene.proxy.traffic.bytesToClient - before
        print("a full sync of \(total) bytes, broken once: \(sent) sent, \(resumed) resumed")
        #expect(sent <= Int(total) + (4 << 20), "what was under way may be sent twice, no more")
        #expect(try replica.node().lastFullSyncReason == "requested")
        #expect(try replica.node().fullSyncs == 2)
        #expect(try KeyComparison(scene.cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(5)))
    func `a resync that was broken off does not stand in the way of the next`() throws {
        let scene = try SilentPrimary()
        let (primary, replica) = (scene.primary.client, scene.replica.client)
        // Several, so that it shows when any but the newest is asked for.
        for _ in 0..<3 {
            try scene.beginFullSync(done: 1 << 20)
            try scene.replicaClaims("n3", "in a full sync that runs")
            scene.proxy.conduct = .healthy
            _ = try replica.claim("n1").expecting(200)
            try replica.waitUntilState("streaming", within: 60)
        }
        let resync = try primary.post("/v1/nodes/n2/resync").expecting(202)
        try primary.waitUntilDone(try #require(resync["id"]?.stringValue))
        #expect(try replica.node().lastFullSyncReason == "requested")
        try poll(within: .seconds(20), for: "the earlier ones have ended with it") {
            let operations = try primary.list("/v1/operations")
            return operations.allSatisfy { $0["state"] != "running" } ? true : nil
        }
        #expect(try KeyComparison(scene.cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(5)))
    func `a primary ends a link that takes nothing and the replica catches up later`() throws {
        let cluster = try TestCluster(empty: [])
        let (primary, proxy) = try cluster.makeNodeBehindProxy()
        try primary.start()
        let replica = try cluster.addReplica()
        let link = try #require(try primary.client.link(from: "n1", to: "n2"))
        proxy.conduct = .frozen
        let frozen = MonotonicTime.now()
        let writing = try LatencyProbe.time {
            for number in 0..<50 {
                let value = SeededRandom.block(number, 64 << 10)
                _ = try primary.client.put(Path.key("k\(number)"), value).expecting(201)
            }
        }
        // Who waited for it would do so until its link is ended, after ten seconds.
        #expect(writing.took < .seconds(isFullRun ? 3 : 8), "no writer waits for the replica")
        // Told to within an eighth of a mebibyte.
        let bytes = Int64(48 * (64 << 10))
        let kept = try primary.client.node("n2").json["retention"]
        #expect(kept?["bytes_behind"]?.integerValue ?? 0 >= bytes)
        #expect(kept?["bytes_behind"]?.integerValue ?? .max < bytes + (1 << 20))
        #expect(kept?["max_bytes"]?.integerValue == 8 << 30, "so much and no more")
        #expect(kept?["headroom_seconds"]?.numberValue ?? 0 > 0)
        #expect(kept?["full_sync_needed"] == .null)
        let stalled = try poll(within: .seconds(isFullRun ? 4 : 10), for: "the primary says so") {
            let link = try primary.client.link(from: "n1", to: "n2")
            return link?["state"] == "stalled" ? link : nil
        }
        print("the primary's link stalled after \(MonotonicTime.now() - frozen)")
        #expect(stalled["id"] == link["id"])
        #expect(stalled["last_error"]?.stringValue != nil)
        #expect(stalled["full_sync_needed"] == .null)
        #expect(stalled["headroom_seconds"]?.numberValue ?? 0 > 0)
        #expect(try primary.client.get("/v1/sync")["in_sync"] == false)
        try poll(within: .seconds(isFullRun ? 11 : 30), for: "the primary has ended it") {
            try primary.client.link(from: "n1", to: "n2")?["id"] == link["id"] ? nil : true
        }
        #expect(try replica.client.node().state != "streaming")
        let still = try primary.client.get("/v1/links").expecting(200)["retention"]?[0]
        #expect(still?["replica"] == "n2")
        #expect(still?["acked_index"] == kept?["acked_index"], "known though no link runs")
        #expect(still?["bytes_behind"]?.integerValue ?? 0 >= bytes)

        proxy.conduct = .healthy
        try primary.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
        #expect(try replica.client.node().fullSyncs == 1)
    }
}
