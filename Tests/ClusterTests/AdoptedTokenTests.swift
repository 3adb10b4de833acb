// Symptom (kvrocks#2520, after its fix): the token table is read again after the new data is served,
// so for a moment a token opens what it opened before.

import ClusterKit
import JSON
import Platform
import Testing

/// Test A of INCIDENTS.md, step 5: with a state come the tokens that are valid in it, and no others.
@Suite(.cluster) struct AdoptedTokenTests {
    @Test(.timeLimit(.minutes(3)))
    func `a token opens after a full sync what it opens on the primary`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (primary, fork) = (cluster.primary, cluster[1])
        let token = try primary.client.createNamespace("shared")
        let revoked = try primary.client.createNamespace("doomed")
        _ = try primary.client.put(Path.key("k", in: "shared"), [0]).expecting(201)
        try KeyComparison.waitForOnePosition(cluster.nodes)
        _ = try primary.client.delete("/v1/nodes/n2").expecting(200)
        try fork.client.waitUntilState("detached")
        try fork.client.becomePrimary("n2")

        try rename("shared", to: "aa", value: [1], at: fork)
        try rename("shared", to: "bb", value: [2], at: primary)
        _ = try primary.client.delete("/v1/namespaces/doomed").expecting(200)
        try primary.client.load(
            (0..<400).map { ("k\($0)", SeededRandom.block($0, 4096)) }, into: "default")
        #expect(try names(token, fork) == ["aa"])
        #expect(try names(revoked, fork) == ["doomed"])

        let watch = TokenWatch(fork, [token, revoked])
        try fork.stop()
        fork.setFlags(["--full-sync-max-bytes-per-second", "1500000"])
        try fork.start()
        try cluster.takeIn(fork, options: ["discard_data": true])
        let seen = try watch.finish()

        #expect(seen[token]?.suffix(1) == [["bb"]])
        #expect(seen[token]?.count(where: { $0 == ["aa"] }) ?? 0 <= 1, "never again: \(seen)")
        #expect(seen[token]?.allSatisfy { [["aa"], ["bb"]].contains($0) } == true, "\(seen)")
        #expect(seen[revoked].map { [[["doomed"]], []].contains($0) } ?? true, "\(seen)")
        #expect(try isRefused(revoked, fork))
        let read = fork.client.with(token: token)
        #expect(try read.get(Path.key("k", in: "bb")).body == [2])
        #expect(try read.get(Path.key("k", in: "aa")).status == 404)
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(3)))
    func `a token that is revoked while a state is replaced is not valid in the new one`() throws {
        let cluster = try TestCluster()
        let client = cluster.primary.client
        let token = try client.createNamespace("kept")
        let revoked = try client.createNamespace("doomed")
        try client.load(
            (0..<500).map { ("k\($0)", SeededRandom.block($0, 4096)) }, into: "default")
        let replica = try cluster.addReplica()
        // It lasts until it is let go.
        _ = try replica.client.limitFullSync(20_000).expecting(200)
        let resync = try client.post("/v1/nodes/n2/resync").expecting(202)
        try poll(within: .seconds(20), for: "the transfer runs") {
            try replica.client.node().fullSyncBytesDone ?? 0 > 0 ? true : nil
        }
        _ = try client.delete("/v1/namespaces/doomed").expecting(200)
        #expect(try names(revoked, replica) == ["doomed"], "the old state is whole")
        let watch = TokenWatch(replica, [token, revoked])
        try poll(within: .seconds(20), for: "a look at the old state") {
            watch.hasOpened(token) && watch.hasOpened(revoked) ? true : nil
        }
        _ = try replica.client.limitFullSync(nil).expecting(200)
        try client.waitUntilDone(try #require(resync["id"]?.stringValue))
        // From here on only the new state is there.
        #expect(try replica.client.node().fullSyncs == 2)
        #expect(try isRefused(revoked, replica))
        let seen = try watch.finish()
        #expect(seen[token] == [["kept"]], "its namespace was open at every moment: \(seen)")
        #expect(seen[revoked] == [["doomed"]], "\(seen)")
    }

    private func rename(
        _ old: String, to new: String, value: [UInt8], at node: ConvoyProcess
    ) throws {
        _ = try node.client.ask("PATCH", Path.namespace(old), json: ["name": .string(new)])
            .expecting(200)
        _ = try node.client.put(Path.key("k", in: new), value).expecting(204)
    }

    /// The watch may have tried it so often that it is told that instead.
    private func isRefused(_ token: String, _ node: ConvoyProcess) throws -> Bool {
        [401, 429].contains(try node.client.with(token: token).get("/v1/namespaces").status)
    }

    private func names(_ token: String, _ node: ConvoyProcess) throws -> [String] {
        try node.client.with(token: token).namespaceNames()
    }
}

/// Asks a node with each token, over and over, which namespaces it opens.
private final class TokenWatch: Sendable {
    /// By token: what it opened, each time that this was another list than before.
    typealias Seen = [String: [[String]]]

    private let shared = Monitor((isOver: false, seen: Seen()))
    private let thread: WorkerThread

    init(_ node: ConvoyProcess, _ tokens: [String]) {
        let shared = self.shared
        thread = WorkerThread(name: "token-watch") {
            var isLast = false
            while !isLast {
                // One more look after the end was asked for: what is there by then counts.
                isLast = shared.withLock { $0.isOver }
                for token in tokens {
                    // Without an answer, or not ready, or not valid: nothing was opened.
                    let names = try? node.client.with(token: token).namespaceNames()
                    guard let names else { continue }
                    shared.update { shared in
                        if shared.seen[token]?.last != names {
                            shared.seen[token, default: []].append(names)
                        }
                    }
                }
                rest(.milliseconds(2))
            }
        }
    }

    func hasOpened(_ token: String) -> Bool { shared.withLock { $0.seen[token] != nil } }

    func finish() throws -> Seen {
        shared.update { $0.isOver = true }
        guard thread.join(until: .now() + .seconds(40)) else {
            throw ClusterFailure("the watch did not end")
        }
        return shared.withLock { $0.seen }
    }
}
