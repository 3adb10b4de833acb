// What `make bench` prints: Convoy beside nginx and curl, in one run on one machine. Read the ratios:
// the figures hold for the machine and the moment alone.

import Foundation

let sections: [(name: String, run: () throws -> Void)] = [
    ("engine", EngineBenchmark.run), ("rest", RESTBenchmark.run), ("sync", SyncBenchmark.run),
]
let asked = Set(CommandLine.arguments.dropFirst())
for (name, run) in sections where asked.isEmpty || asked.contains(name) {
    print("\n== \(name)")
    try run()
}
