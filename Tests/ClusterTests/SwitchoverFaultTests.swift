import ClusterKit
import JSON
import Platform
import Testing

/// Kills and cuts at every step of a switchover and of a failover.
///
/// The nodes stand behind proxies, which see each request that one sends to another before it goes on:
/// so a fault comes at that very step, whatever the machine's speed.
@Suite(.cluster) struct SwitchoverFaultTests {
    private struct Members {
        let cluster: TestCluster
        let proxies: [FaultyProxy]
        /// Faults come only while it is open, and as a whole: a node is never killed under the hands of
        /// whoever brings it back.
        let gate = Monitor(false)

        /// Three nodes, each behind a proxy of its own.
        init() throws {
            cluster = try TestCluster(empty: [])
            var proxies: [FaultyProxy] = []
            for place in 0..<3 {
                let (node, proxy) = try cluster.makeNodeBehindProxy()
                try cluster.start(node)
                if place > 0 { try cluster.takeIn(node) }
                proxies.append(proxy)
            }
            self.proxies = proxies
        }

        func place(of node: ConvoyProcess) -> Int {
            cluster.nodes.firstIndex { $0.name == node.name } ?? 0
        }
    }

    /// What is done to whom.
    enum Fault: String, CaseIterable, Sendable {
        case killOld = "the old primary is killed"
        case killNew = "the candidate is killed"
        case killOther = "the third node is killed"
        case cutOld = "the old primary is cut off"
        case cutNew = "the candidate is cut off"
    }

    /// Brings everything back, and answers the one primary that there is in the end.
    private func heal(_ members: Members) throws -> ConvoyProcess {
        members.gate.withLock { $0 = false }
        for proxy in members.proxies {
            proxy.watchRequests(nil)
            proxy.conduct = .healthy
        }
        for node in members.cluster.nodes where !node.isRunning { try node.start(until: .alive) }
        let winner = try poll(
            within: .seconds(60), for: "one node is primary and nothing is under way"
        ) { () -> ConvoyProcess? in
            let reigning = try members.cluster.nodes.filter {
                try $0.client.node().role == "primary"
            }
            guard reigning.count == 1, let one = reigning.first,
                try one.client.get("/v1/operations?state=running")["items"]?.arrayValue == []
            else { return nil }
            return one
        }
        try winner.client.waitUntilInSync(within: 60)
        return winner
    }

    /// Heals, and holds the cluster to it: one primary, in the highest reign, with every acknowledged
    /// write, that takes further ones, and all nodes equal.
    ///
    /// - Returns: That primary.
    private func judge(
        _ members: Members, _ journal: WriteJournal, _ round: String
    ) throws -> ConvoyProcess {
        let winner = try heal(members)
        let faults = try journal.faults(at: winner.client, namespace: "default")
        #expect(faults == [], "\(round)")
        let term = try winner.client.node().json["running"]?["term"]?.integerValue
        #expect(try term == highestTerm(members.cluster), "\(round)")
        let answer = try winner.client.put(Path.key("after \(round)"), [1])
        #expect(answer.status == 201, "\(round): \(answer)")
        try winner.client.waitUntilInSync()
        #expect(try KeyComparison(members.cluster.nodes).differences == [], "\(round)")
        return winner
    }

    private func highestTerm(_ cluster: TestCluster) throws -> Int64? {
        try cluster.nodes.compactMap {
            try $0.client.node().json["running"]?["term"]?.integerValue
        }.max()
    }

    private func inflict(
        _ fault: Fault, _ members: Members, old: ConvoyProcess, new: ConvoyProcess
    ) {
        let other = members.cluster.nodes.first { $0.name != old.name && $0.name != new.name }
        func cut(_ node: ConvoyProcess) {
            let proxy = members.proxies[members.place(of: node)]
            proxy.conduct = .refusing
            proxy.cut()
        }
        members.gate.withLock { isOpen in
            guard isOpen else { return }
            switch fault {
            case .killOld: old.kill()
            case .killNew: new.kill()
            case .killOther: other?.kill()
            case .cutOld: cut(old)
            case .cutNew: cut(new)
            }
        }
    }

    /// Before the first step, while the candidate catches up, between hold and handover, and when the
    /// new primary tells the others: every fault at each of them.
    @Test(.timeLimit(.minutes(10)), arguments: Fault.allCases)
    func `a switchover with a fault at any step leaves one primary and every write`(
        fault: Fault
    ) throws {
        let members = try Members()
        var random = SeededRandom.announced(for: "faults in switchovers: \(fault.rawValue)")
        var primary = members.cluster[0]
        for round in 0..<(isFullRun ? 20 : 3) {
            let old = primary
            let new = try #require(members.cluster.nodes.first { $0.name != old.name })
            let writers = ParallelWriters(
                2, to: old.client, random: random.forked(round), query: "?acks=2",
                label: "r\(round)")
            try writers.waitForAcknowledgements(20)
            // The n-th report of the candidate, or the n-th word of either to the third node.
            let wanted = Int(random.next() % 12)
            let seen = Monitor(0)
            let hasBegun = Monitor(false)
            for proxy in members.proxies {
                proxy.watchRequests { line in
                    guard hasBegun.withLock({ $0 }),
                        line.contains("/replication/acks") || line.contains("/replication/topology")
                    else { return }
                    let count = seen.withLock { seen in
                        seen += 1
                        return seen
                    }
                    if count == wanted + 1 {
                        inflict(fault, members, old: old, new: new)
                    }
                }
            }
            members.gate.withLock { $0 = true }
            hasBegun.withLock { $0 = true }
            _ = try? old.client.post(
                "/v1/topology/switchover",
                ["from": .string(old.name), "to": .string(new.name), "timeout_ms": 3_000])
            _ = try? poll(within: .seconds(3), for: "the fault has come") {
                seen.withLock { $0 } > wanted ? true : nil
            }
            rest(.milliseconds(50))
            let journal = try writers.finish()
            primary = try judge(members, journal, "\(fault.rawValue), round \(round)")
        }
        for node in members.cluster.nodes {
            #expect(try node.client.node().divergedEntries == 0, "a switchover loses nothing")
        }
    }

    /// The requests between nodes that a failover is made of.
    @Test(
        .timeLimit(.minutes(10)),
        arguments: [
            "POST /replication/promise", "GET /replication/tail", "POST /replication/topology",
        ])
    func `a failover with a fault at any step leaves one primary and what a replica had`(
        step: String
    ) throws {
        let members = try Members()
        let random = SeededRandom.announced(for: "faults in failovers: \(step)")
        var primary = members.cluster[0]
        let faults: [Fault] = [.killNew, .killOther, .cutNew]
        var seen = 0
        for (round, fault) in faults.enumerated() {
            let old = primary
            let others = members.cluster.nodes.filter { $0.name != old.name }
            let (new, ahead) = (others[0], others[1])
            let writers = ParallelWriters(
                2, to: old.client, random: random.forked(round), query: "?acks=2",
                label: "r\(round)")
            try writers.waitForAcknowledgements(30)
            let journal: WriteJournal
            if step.contains("tail") {
                // The other one has what the candidate lacks.
                journal = try writers.finish()
                new.kill()
                for number in 0..<50 {
                    _ = try old.client.put(Path.key("only-\(round)-\(number)") + "?acks=1", [1])
                        .expecting(201)
                }
                old.kill()
                try new.start(until: .alive)
                try poll(within: .seconds(20), for: "it knows who answers") {
                    try new.client.node(ahead.name).state == nil ? nil : true
                }
            } else {
                old.kill()
                journal = try writers.finish()
            }
            let hasCome = Monitor(false)
            members.gate.withLock { $0 = true }
            members.proxies[members.place(of: ahead)].watchRequests { line in
                guard line.hasPrefix(step) else { return }
                let isFirst = hasCome.update { hasCome in
                    defer { hasCome = true }
                    return !hasCome
                }
                if isFirst { inflict(fault, members, old: old, new: new) }
            }
            // The candidate may be gone before it has answered.
            _ = try? new.client.failOver(to: new.name, acceptDataLoss: true)
            if hasCome.wait(until: .now() + .seconds(10), { $0 ? true : nil }) == true { seen += 1 }
            rest(.milliseconds(100))
            primary = try judge(members, journal, "\(step), \(fault.rawValue)")
        }
        // On a busy machine one may be left out: nobody has a tail who promises later than half a
        // second, and who asks by itself need not be told.
        #expect(step.contains("promise") ? seen == faults.count : seen > 0, "\(step): \(seen)")
    }
}
