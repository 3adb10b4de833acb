import Engine
import Foundation
import Log
import Platform
import Topology

/// Commits per second of the engine alone, by how many callers wait at once: the more there are, the
/// larger the groups that share one write.
enum EngineBenchmark {
    private static let valueBytes = 128
    private static let duration: Duration = .seconds(3)

    static func run() throws {
        for callers in [1, 4, 16, 64, 256] {
            let scratch = try Scratch()
            let directory = try DataDirectory(path: scratch.url.path)
            let engine = try Engine.create(
                in: try directory.makeIncarnation(), lineage: .random(), options: EngineOptions())
            let holder = NodeNumber(rawValue: 1)
            let committer = Committer(engine: engine, reign: Reign(term: 1, holder: holder))
            guard let name = NodeName("n1"), let address = NodeAddress("http://127.0.0.1:1") else {
                throw BenchmarkError("no name")
            }
            let founder = NodeRecord(number: holder, name: name, address: address)
            _ = committer.commit(Birth(lineage: engine.log.lineage, founder: founder))

            let run = Run(committer: committer)
            let deadline = MonotonicTime.now() + duration
            for caller in 0..<callers { run.next(caller, until: deadline) }
            while MonotonicTime.now() < deadline + .milliseconds(200) { usleep(50_000) }
            let commits = run.count
            let entries = engine.state.position.index.rawValue
            print(
                "\(callers) callers: \(rounded(Double(commits) / duration.inSeconds)) commits/s, \(rounded(Double(commits) / Double(max(1, entries)), 1)) writes an entry"
            )
            committer.stop(until: .now() + .seconds(5))
        }
    }

    /// Callers that hand over their next write as soon as the last one is answered.
    private final class Run: Sendable {
        private let committer: Committer
        private let done = Monitor(0)
        private let value = [UInt8](repeating: 7, count: valueBytes)

        init(committer: Committer) { self.committer = committer }

        var count: Int { done.withLock { $0 } }

        func next(_ caller: Int, until deadline: MonotonicTime) {
            guard MonotonicTime.now() < deadline else { return }
            let key = Array("key\(Int.random(in: 0..<1_000_000))".utf8)
            committer.submit(
                WriteKeys(namespace: .default, writes: [.put(key: key, value: value)])
            ) { [self] _ in
                done.withLock { $0 += 1 }
                next(caller, until: deadline)
            }
        }
    }
}
