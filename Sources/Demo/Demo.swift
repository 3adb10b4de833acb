import ClusterKit
import Glibc
import JSON
import Platform

/// Three nodes and the machine's own package index: loaded, replicated, compared, one node removed.
@main struct Demo {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.allSatisfy({ $0 == "--exit" }) else {
            print(
                "usage: Demo [--exit]\n--exit ends at once when all is done, without waiting for Ctrl-C"
            )
            exit(64)
        }
        Signals.takeOver()
        do {
            let scratch = try ScratchDirectory("demo")
            // Ctrl-C ends everything at any time; the nodes' directories go with them.
            _ = WorkerThread(name: "signals") {
                _ = Signals.wait()
                scratch.removeNow()
                print("\nStopped. The nodes are gone, and their directories.")
                exit(0)
            }
            let demo = try Demo(scratch)
            try demo.run()
            if arguments.isEmpty {
                print(demo.farewell)
                while true { pause() }
            }
            scratch.removeNow()
        } catch {
            print("The demo failed: \(error)")
            exit(1)
        }
    }

    private let cluster: TestCluster
    private let diary = Diary()
    private let namespace = "packages"
    private static let connections = 4

    private init(_ scratch: ScratchDirectory) throws {
        cluster = try ScratchDirectory.$current.withValue(scratch) { try TestCluster() }
    }

    private var primary: TestClient { cluster.primary.client }

    private func run() throws {
        let others = try ["n2", "n3"].map { try cluster.start(cluster.makeNode(name: $0)) }
        let places = cluster.nodes.map { "\($0.name) at \($0.address)" }.joined(separator: ", ")
        diary.note("Started three nodes: \(places).")

        let index = try PackageIndex()
        diary.note(
            "Read \(index.stanzaCount) stanzas from apt-cache: \(index.records.count) packages, \(Diary.megabytes(index.byteCount))."
        )
        try load(index)
        for node in others { try takeIn(node) }
        let position = try KeyComparison.waitForOnePosition(cluster.nodes)
        diary.note("All three are in sync, at position \(position.index).")
        try compare(index)
        try remove(others[1], staying: others[0])
    }

    private func load(_ index: PackageIndex) throws {
        _ = try primary.createNamespace(namespace)
        try primary.load(index.records.map { ($0.name, $0.stanza) }, into: namespace)
        let summary = try primary.get(Path.namespace(namespace)).expecting(200).json
        guard summary["keys"]?.integerValue == Int64(index.records.count) else {
            throw ClusterFailure("n1 counts \(summary), and \(index.records.count) were loaded")
        }
        let seconds = diary.secondsSinceLastNote
        let rate = Int(Double(index.records.count) / seconds)
        diary.note("Loaded them into n1, a thousand in a batch: \(rate) records a second.")
    }

    private func takeIn(_ node: ConvoyProcess) throws {
        let operation = try cluster.beginTakingIn(node)
        try primary.waitUntilDone(operation, within: 60)
        try primary.waitUntilInSync(within: 60)
        let sync = try node.client.node().json["last_full_sync"]
        let bytes = Int(sync?["bytes"]?.integerValue ?? 0)
        let seconds = Diary.seconds(sync?["seconds"]?.numberValue ?? 0)
        diary.note(
            "Took \(node.name) in: a full sync of \(Diary.megabytes(bytes)) in \(seconds), each file checked by its hash."
        )
    }

    /// GET of every record at every node, held against what apt-cache said.
    private func compare(_ index: PackageIndex) throws {
        for node in cluster.nodes {
            try Parallel.run(Demo.connections) { [namespace] number in
                for place in stride(from: number, to: index.records.count, by: Demo.connections) {
                    let record = index.records[place]
                    let answer = try node.client.get(Path.key(record.name, in: namespace))
                        .expecting(200)
                    guard answer.body == record.stanza else {
                        throw ClusterFailure("\(node.name) has another value of \(record.name)")
                    }
                }
            }
            let rate = Int(Double(index.records.count) / diary.secondsSinceLastNote)
            diary.note(
                "Compared all \(index.records.count) records on \(node.name), byte by byte: no difference (\(rate) a second)."
            )
        }
    }

    private func remove(_ node: ConvoyProcess, staying: ConvoyProcess) throws {
        _ = try primary.delete("/v1/nodes/\(node.name)").expecting(200)
        let stoodAt = try node.client.waitUntilState("detached").position
        diary.note("Removed \(node.name). It says `detached`, and still answers reads.")

        var last: UInt64 = 0
        for number in 0..<1000 {
            let answer = try primary.put(Path.key("later-\(number)"), Array("\(number)".utf8))
            last = try answer.expecting(201).index ?? last
        }
        try staying.client.waitUntilApplied(last)
        guard try node.client.node().position == stoodAt else {
            throw ClusterFailure("\(node.name) was removed, and moved")
        }
        diary.note(
            "Wrote 1,000 more on n1, one by one: \(staying.name) has them, \(node.name) did not move."
        )
        diary.end("Done")
    }

    private var farewell: String {
        """

        The nodes go on running. The status page: \(cluster.primary.address)/
        In another terminal:
          curl -s \(cluster.primary.address)/v1/sync | jq .
          curl -s \(cluster.primary.address)/v1/namespaces/\(namespace)/keys/bash
        Ctrl-C ends them and removes \(cluster.scratch.path).
        """
    }
}
