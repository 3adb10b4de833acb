import ClusterKit
import JSON
import Platform
import Testing

/// What a crash of the machine may leave behind, and what a write may ask for.
@Suite(.cluster) struct RecoveryTests {
    @Test(.timeLimit(.minutes(4)))
    func `a torn end of the log is cut and nothing before it`() throws {
        let node = try TestCluster().primary
        for round in 0..<4 {
            let random = SeededRandom.announced(for: "a torn end")
            let writers = ParallelWriters(4, to: node.client, random: random, label: "r\(round)")
            try writers.waitForAcknowledgements(100)
            node.kill()
            let journal = try writers.finish()
            let path = try lastSegment(of: node)
            let garbage = round == 3 ? [] : SeededRandom.block(round, 1 + round * 40)
            try File(path, .append).append(garbage)
            try node.start()
            #expect(try journal.faults(at: node.client, namespace: "default") == [])
            if !garbage.isEmpty {
                #expect(!(try FileSystem.list("\(node.dataPath)/diverged").isEmpty))
            }
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a damaged record is refused at the start, with its file`() throws {
        let node = try TestCluster(flags: ["--log-segment-bytes", "8192"]).primary
        for number in 0..<40 {
            _ = try node.client.put(Path.key("k\(number)"), [UInt8](repeating: 7, count: 1000))
        }
        // In order to stop it would have written its state down, and need the log no more.
        node.kill()
        let log = FileSystem.parent(of: try lastSegment(of: node))
        let segment = try FileSystem.list(log)[1]
        let path = "\(log)/\(segment)"
        var bytes = try FileSystem.readAll(path)
        bytes[bytes.count / 2] ^= 1
        try File(path, .readWrite).write(bytes, at: 0)
        try node.start(until: .nothing)
        let status = try #require(node.waitForEnd(within: .seconds(40)))
        #expect(status != .exited(0))
        #expect(node.errorsTail().contains(segment), "\(node.errorsTail())")
        bytes[bytes.count / 2] ^= 1
        try File(path, .readWrite).write(bytes, at: 0)
        try node.start()
        #expect(try node.client.listKeys(in: "default").count == 40)
    }

    @Test(.timeLimit(.minutes(4)))
    func `a damaged database is refused at the start, with what to do`() throws {
        let node = try TestCluster().primary
        _ = try node.client.put(Path.key("k"), [1]).expecting(201)
        try node.stop()
        let data = "\(node.dataPath)/data"
        let database = "\(data)/\(try FileSystem.list(data)[0])/db"
        for name in try FileSystem.list(database) where name.hasPrefix("MANIFEST") {
            try File("\(database)/\(name)", .readWrite).write([1, 2, 3, 4, 5, 6, 7, 8], at: 0)
        }
        try node.start(until: .nothing)
        let status = try #require(node.waitForEnd(within: .seconds(40)))
        #expect(status != .exited(0))
        let told = node.errorsTail()
        #expect(told.contains("the database cannot be read"), "\(told)")
        #expect(told.contains("convoy check") && told.contains(node.dataPath), "\(told)")
        #expect(!told.contains("RocksDBError"), "\(told)")
    }

    @Test(.timeLimit(.minutes(4)))
    func `a damaged record reaches no replica`() throws {
        let cluster = try TestCluster(nodes: 2, flags: ["--log-segment-bytes", "8192"])
        let (primary, replica) = (cluster.primary, cluster[1])
        try KeyComparison.waitForOnePosition(cluster.nodes)
        try replica.stop()
        for number in 0..<40 {
            _ = try primary.client.put(
                Path.key("k\(number)"), [UInt8](repeating: 7, count: 1000))
        }
        try primary.stop()
        let log = FileSystem.parent(of: try lastSegment(of: primary))
        let segment = try FileSystem.list(log)[2]
        let path = "\(log)/\(segment)"
        let sound = try FileSystem.readAll(path)
        var bytes = sound
        bytes[bytes.count / 2] ^= 1
        try File(path, .readWrite).write(bytes, at: 0)
        try primary.start()
        try replica.start(until: .alive)
        try poll(within: .seconds(30), for: "the primary's log names \(segment)") {
            primary.errorsTail().contains(segment) ? true : nil
        }
        // Whether a full sync goes around the damage or not: what is there is right.
        for key in try replica.client.listKeys(in: "default") {
            #expect(try replica.client.get(Path.key(key.key)).body.allSatisfy { $0 == 7 })
        }
        try File(path, .readWrite).write(sound, at: 0)
        try primary.client.waitUntilInSync()
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(4)), arguments: ["always", "interval", "os"])
    func `every sync policy keeps what was acknowledged through a kill`(policy: String) throws {
        let cluster = try TestCluster(nodes: 2, flags: ["--sync", policy])
        let random = SeededRandom.announced(for: "policy \(policy)")
        let writers = ParallelWriters(
            4, to: cluster.primary.client, random: random, label: policy)
        try writers.waitForAcknowledgements(100)
        for node in cluster.nodes { node.kill() }
        let journal = try writers.finish()
        for node in cluster.nodes { try node.start(until: .alive) }
        try cluster.primary.client.waitUntilInSync()
        #expect(try journal.faults(at: cluster.primary.client, namespace: "default") == [])
        #expect(try KeyComparison(cluster.nodes).differences == [])
    }

    @Test(.timeLimit(.minutes(4)))
    func `a write that asks for acknowledgements is told how many came`() throws {
        let cluster = try TestCluster(nodes: 2)
        let (client, replica) = (cluster.primary.client, cluster[1])
        for ask in ["acks=1", "acks_durable=1"] {
            let answer = try client.put("\(Path.key(ask))?\(ask)&timeout=14s", [1])
            #expect(answer.status == 201, "\(ask): \(answer)")
        }
        let read = try replica.client.get(Path.key("acks=1"))
        #expect(read.body == [1], "it was applied before the answer")

        replica.pause()
        let late = try client.put("\(Path.key("late"))?acks=1&timeout=500ms", [2])
        #expect(late.status == 504, "\(late)")
        #expect(late.problem == "acks-timeout")
        #expect(late["reached"] == 0)
        #expect(late["wanted"] == 1)
        #expect(try client.get(Path.key("late")).body == [2], "it is in the primary's log")
        replica.resume()
        let index = try #require(late["index"]?.integerValue)
        try replica.client.waitUntilApplied(UInt64(index))
        #expect(try replica.client.get(Path.key("late")).body == [2])
    }

    @Test(.timeLimit(.minutes(4)))
    func `health is answered on a port of its own`() throws {
        let port = try FreePort.take()
        let cluster = try TestCluster(flags: ["--health", "127.0.0.1:\(port)"])
        let client = TestClient(base: "http://127.0.0.1:\(port)")
        for path in ["/livez", "/readyz", "/health/primary"] {
            #expect(try client.get(path).status == 200, "\(path)")
        }
        #expect(try client.get("/v1/namespaces").status == 404)
        #expect(try cluster.primary.client.get("/livez").status == 200)
    }

    @Test(.timeLimit(.minutes(4)))
    func `large values reach a replica, by full sync and by stream`() throws {
        let cluster = try TestCluster()
        let value = SeededRandom.block(1, 32 << 20)
        _ = try cluster.primary.client.put(Path.key("before"), value).expecting(201)
        let replica = try cluster.addReplica()
        let index = try cluster.primary.client.put(Path.key("after"), value).expecting(201).index
        try replica.client.waitUntilApplied(try #require(index))
        #expect(try replica.client.get(Path.key("before")).body == value)
        #expect(try replica.client.get(Path.key("after")).body == value)
        #expect(try replica.client.node().fullSyncs == 1)
    }

    @Test(.timeLimit(.minutes(4)))
    func `an idle node is small and quiet`() throws {
        let node = try TestCluster(nodes: 2).primary
        let number = try #require(node.processID)
        // Whenever one looks, but for when the machine lets it do late what was to be done before.
        let after = try poll(within: .seconds(30), for: "it takes at most a tenth of a core") {
            let (start, before) = (MonotonicTime.now(), try Usage(of: number))
            rest(.seconds(2))
            let after = try Usage(of: number)
            let ticks = Double(after.processorTicks - before.processorTicks)
            return ticks <= 10 * (MonotonicTime.now() - start).inSeconds ? after : nil
        }
        #expect(after.residentBytes < 100 << 20, "\(after.residentBytes >> 20) MiB")
        #expect(after.openFiles < 100, "\(after.openFiles) files and sockets")
    }

    private func lastSegment(of node: ConvoyProcess) throws -> String {
        let incarnation = try #require(FileSystem.list("\(node.dataPath)/data").first)
        let log = "\(node.dataPath)/data/\(incarnation)/log"
        return "\(log)/\(try #require(FileSystem.list(log).last))"
    }
}

/// What the kernel says of a process.
private struct Usage {
    let residentBytes: Int
    /// A hundred of them are a second of one core.
    let processorTicks: Int
    let openFiles: Int

    init(of number: Int32) throws {
        func fields(_ name: String) throws -> [Int] {
            let bytes = try File("/proc/\(number)/\(name)", .read).read(at: 0, count: 4096)
            return String(decoding: bytes, as: UTF8.self).split(separator: " ").map { Int($0) ?? 0 }
        }
        let stat = try fields("stat")
        processorTicks = stat[13] + stat[14]
        residentBytes = try fields("statm")[1] * 4096
        openFiles = try FileSystem.list("/proc/\(number)/fd").count
    }
}
