// Symptom (pikiwidb#2708): what belongs together is applied key by key, and is seen in parts.

import ClusterKit
import JSON
import Platform
import Testing

/// Test E, step 4: what one batch writes is there as a whole or not at all.
@Suite(.cluster) struct MovedValueTests {
    private static let accounts = 8
    private static let each = 1000

    /// Test E, step 4. What an account holds is the length of its value: then one list of keys, and
    /// the namespace's counter, show all accounts at one position.
    @Test(.timeLimit(.minutes(5)))
    func `values moved between keys keep their sum at every position`() throws {
        let cluster = try TestCluster(nodes: 2)
        let client = cluster.primary.client
        _ = try client.createNamespace("accounts")
        let records = (0..<Self.accounts).map { number in
            (key: "a\(number)", value: [UInt8](repeating: 120, count: Self.each))
        }
        try client.load(records, into: "accounts")
        try KeyComparison.waitForOnePosition(cluster.nodes)
        let bytes = try client.get("/v1/namespaces/accounts")["bytes"]?.integerValue

        let watches = cluster.nodes.map { SumWatch($0, bytesInAll: bytes) }
        let random = SeededRandom.announced(for: "moves between accounts")
        let moves = isFullRun ? 1000 : 200
        try Parallel.run(4, within: .seconds(150)) { number in
            var random = random.forked(number)
            var moved = 0
            while moved < moves / 4 {
                let isDone = try Self.move(client, &random)
                if isDone { moved += 1 }
            }
        }
        // On a busy machine a watch may have slept meanwhile: then they go on until it has looked.
        var others = random.forked(4)
        let deadline = MonotonicTime.now() + .seconds(60)
        while watches.contains(where: { $0.positions <= 20 }), MonotonicTime.now() < deadline {
            _ = try Self.move(client, &others)
        }
        try KeyComparison.waitForOnePosition(cluster.nodes)
        for watch in watches {
            let found = try watch.finish()
            #expect(found.faults == [])
            #expect(found.positions > 20, "it was looked at while values moved")
            print("sums seen at \(found.positions) positions")
        }
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    /// Takes some of one account and gives it to another, unless somebody else was faster.
    private static func move(_ client: TestClient, _ random: inout SeededRandom) throws -> Bool {
        let from = Int(random.next() % UInt64(accounts))
        let to = (from + 1 + Int(random.next() % UInt64(accounts - 1))) % accounts
        let seen = try [from, to].map {
            try client.get(Path.key("a\($0)", in: "accounts")).expecting(200)
        }
        let amount = min(seen[0].body.count, 1 + Int(random.next() % 50))
        let lengths = [seen[0].body.count - amount, seen[1].body.count + amount]
        var operations: [JSONValue] = []
        for (place, account) in [from, to].enumerated() {
            let key = JSONValue.string("a\(account)")
            operations.append(["op": "check", "key": key, "etag": .string(seen[place].etag ?? "")])
            let value = String(repeating: "x", count: lengths[place])
            operations.append(["op": "put", "key": key, "value": .string(value)])
        }
        return try client.post(
            "/v1/namespaces/accounts/batch", ["operations": .array(operations)]
        ).expecting(200, 412).status == 200
    }
}

/// Adds up the accounts of one node, over and over.
private final class SumWatch: Sendable {
    struct Findings: Sendable {
        var faults: [String] = []
        /// At how many different positions it was looked.
        var positions = 0
    }

    private let shared = Monitor((isOver: false, findings: Findings()))
    private let thread: WorkerThread

    init(_ node: ConvoyProcess, bytesInAll: Int64?) {
        let shared = self.shared
        thread = WorkerThread(name: "sum-watch") {
            var findings = Findings()
            var last: UInt64 = 0
            while !shared.withLock({ $0.isOver }) {
                do {
                    let list = try node.client.get("/v1/namespaces/accounts/keys").expecting(200)
                    let listed = (list["items"]?.arrayValue ?? []).compactMap {
                        $0["bytes"]?.integerValue
                    }
                    let counted = try node.client.get("/v1/namespaces/accounts").expecting(200)
                    if listed.count != 8 || listed.reduce(0, +) != 8000 {
                        findings.faults.append("\(node.name) lists \(listed)")
                    }
                    if counted["bytes"]?.integerValue != bytesInAll || counted["keys"] != 8 {
                        findings.faults.append("\(node.name) counts \(counted)")
                    }
                    let index = list.index ?? 0
                    if index < last { findings.faults.append("\(node.name) goes back to \(index)") }
                    if index > last { findings.positions += 1 }
                    last = index
                } catch {
                    findings.faults.append("\(node.name): \(error)")
                }
                shared.update { [findings] in $0.findings = findings }
            }
        }
    }

    /// At how many it has looked by now.
    var positions: Int { shared.withLock { $0.findings.positions } }

    func finish() throws -> Findings {
        shared.update { $0.isOver = true }
        guard thread.join(until: .now() + .seconds(60)) else {
            throw ClusterFailure("the watch did not end")
        }
        return shared.withLock { $0.findings }
    }
}
