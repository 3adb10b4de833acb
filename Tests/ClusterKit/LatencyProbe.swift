import Platform

/// Asks a node so often each second, and takes down how long each answer took.
public struct LatencyProbe: Sendable {
    public private(set) var times: [Duration] = []
    /// Answers of another status than 200, and requests without an answer, in words.
    public private(set) var failures: [String] = []

    /// Asks for the paths in turn, on a thread of its own, and blocks until the time is over.
    public init(
        _ client: TestClient, _ paths: [String], perSecond: Int = 50, for time: Duration
    ) throws {
        let result = Monitor<(times: [Duration], failures: [String])>(([], []))
        let start = MonotonicTime.now()
        let gap = Duration.seconds(1) / perSecond
        try Parallel.run(1, within: time + .seconds(60)) { _ in
            var number = 0
            while MonotonicTime.now() - start < time {
                let path = paths[number % paths.count]
                let asked = MonotonicTime.now()
                let failure: String?
                do {
                    let answer = try client.get(path)
                    failure = answer.status == 200 ? nil : "\(answer)"
                } catch {
                    failure = "\(path): \(error)"
                }
                let took = MonotonicTime.now() - asked
                result.update { result in
                    result.times.append(took)
                    if let failure { result.failures.append(failure) }
                }
                number += 1
                rest(max(.zero, gap * number - (MonotonicTime.now() - start)))
            }
        }
        (times, failures) = result.withLock { $0 }
        times.sort()
    }

    public var median: Duration { percentile(50) }

    /// Of the sorted times, the one that so many percent do not exceed.
    public func percentile(_ percent: Int) -> Duration {
        times.isEmpty ? .zero : times[min(times.count - 1, times.count * percent / 100)]
    }

    /// Runs `body` and answers how long it took.
    public static func time<Result>(
        _ body: () throws -> Result
    ) rethrows -> (result: Result, took: Duration) {
        let start = MonotonicTime.now()
        let result = try body()
        return (result, MonotonicTime.now() - start)
    }
}
