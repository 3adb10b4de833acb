import ClusterKit
import JSON
import Platform

/// A primary vanishes in mid full sync without closing its sockets: how long the replica takes to
/// answer a claim of another upstream, and a third node a failover to itself. Step 2 of test D in
/// INCIDENTS.md, again and again.
enum SilentUpstream {
    private static let tries = 50
    private static let budgetMilliseconds = 100.0
    private static let dataBytes = 24 << 20
    private static let valueBytes = 512 << 10

    /// A node that the others reach through a proxy of its own.
    private typealias Member = (node: ConvoyProcess, proxy: FaultyProxy)

    static func run() throws {
        let cluster = try TestCluster(empty: [])
        var members: [Member] = []
        for number in 0..<3 {
            let member = try cluster.makeNodeBehindProxy()
            members.append(member)
            try member.node.start()
            if number > 0 { try cluster.takeIn(member.node) } else { try fill(member.node) }
        }
        try claims(primary: members[0], replica: members[1], third: members[2])
        try failovers(primary: members[0], replica: members[1], third: members[2])
    }

    private static func fill(_ node: ConvoyProcess) throws {
        // Incompressible: what is sent is as large as what was written.
        var random = SeededRandom(seed: 1)
        for number in 0..<dataBytes / valueBytes {
            try node.client.put(Path.key("k\(number)"), random.bytes(valueBytes)).expecting(201)
        }
    }

    /// Lets the replica's full sync begin, and the primary vanish when a part of it is there.
    private static func hang(_ replica: ConvoyProcess, from primary: Member) throws {
        primary.proxy.conduct.toClient = .limited(bytesPerSecond: 4_000_000)
        try primary.node.client.post("/v1/nodes/\(replica.name)/resync").expecting(202)
        try poll(within: .seconds(20), every: .milliseconds(5), for: "the transfer runs") {
            let view = try replica.client.node()
            let (done, total) = (view.fullSyncBytesDone ?? 0, view.fullSyncBytesTotal ?? 0)
            return done >= 1 << 20 && done < total ? true : nil
        }
        primary.proxy.conduct = .frozen
    }

    private static func claims(primary: Member, replica: Member, third: Member) throws {
        var answers: [Double] = []
        var ends: [Double] = []
        let client = replica.node.client
        for _ in 0..<tries {
            try hang(replica.node, from: primary)
            let start = MonotonicTime.now()
            try client.claim(third.node.name).expecting(200)
            answers.append((MonotonicTime.now() - start).milliseconds)
            try poll(within: .seconds(10), every: .milliseconds(2), for: "the old link is gone") {
                let link = try client.link(from: primary.node.name, to: replica.node.name)
                return link == nil ? true : nil
            }
            ends.append((MonotonicTime.now() - start).milliseconds)
            primary.proxy.conduct = .healthy
            try client.claim(primary.node.name).expecting(200)
            try primary.node.client.waitUntilInSync(within: 60)
        }
        report("a claim", answers, "the old link gone", ends)
    }

    /// The third node becomes primary, and the one that had vanished is the next third node.
    private static func failovers(primary: Member, replica: Member, third: Member) throws {
        var (primary, third) = (primary, third)
        var answers: [Double] = []
        var ends: [Double] = []
        for _ in 0..<tries {
            try hang(replica.node, from: primary)
            let client = third.node.client
            let start = MonotonicTime.now()
            let begun = try client.failOver(to: third.node.name, acceptDataLoss: true)
                .expecting(202)
            answers.append((MonotonicTime.now() - start).milliseconds)
            guard let operation = begun["id"]?.stringValue else {
                throw BenchmarkError("no operation id in \(begun)")
            }
            try client.waitUntilDone(operation)
            ends.append((MonotonicTime.now() - start).milliseconds)
            primary.proxy.conduct = .healthy
            try client.waitUntilInSync(within: 60)
            swap(&primary, &third)
        }
        report("a failover to a third node", answers, "carried out", ends)
    }

    private static func report(
        _ what: String, _ answers: [Double], _ end: String, _ ends: [Double]
    ) {
        let (answers, ends) = (Times(answers), Times(ends))
        say(
            "\(what) beside a full sync that hangs, \(answers.count) tries: answered in \(rounded(answers.median, 1)) ms, at most \(rounded(answers.maximum, 1)) ms (budget \(rounded(budgetMilliseconds))); \(end) after \(rounded(ends.median)) ms, at most \(rounded(ends.maximum)) ms"
        )
    }
}
