// What `make bench` prints: Convoy beside nginx and curl, or beside itself, in one run on one machine.
// Read the ratios: the figures hold for the machine and the moment alone. Arguments name the sections,
// or parts of the replication section, to run.

import Foundation

let sections: [(name: String, run: () throws -> Void)] = [
    ("engine", EngineBenchmark.run), ("rest", RESTBenchmark.run), ("sync", SyncBenchmark.run),
    ("replication", ReplicationBenchmark.run), ("namespaces", NamespacesBenchmark.run),
]
let asked = CommandLine.arguments.dropFirst()
let known = sections.map(\.name) + ReplicationBenchmark.names
do {
    if let unknown = asked.first(where: { !known.contains($0) }) {
        throw BenchmarkError("there is no \(unknown): choose of \(known.joined(separator: ", "))")
    }
    for (name, run) in sections where asked.isEmpty || asked.contains(name) {
        print("\n== \(name)")
        try run()
    }
    for name in ReplicationBenchmark.names where asked.contains(name) {
        try ReplicationBenchmark.run(part: name)
    }
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
