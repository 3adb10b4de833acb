import Platform

/// Work on threads of our own, since it blocks.
public enum Parallel {
    /// Runs `body` once for each number below `count`, each on its own thread; blocks until all have
    /// returned, and throws the first of their errors.
    public static func run(
        _ count: Int, within time: Duration = .seconds(120),
        _ body: @escaping @Sendable (Int) throws -> Void
    ) throws {
        let failure = Monitor<(any Error)?>(nil)
        let threads = (0..<count).map { number in
            WorkerThread(name: "worker-\(number)") {
                do {
                    try body(number)
                } catch {
                    failure.update { $0 = $0 ?? error }
                }
            }
        }
        let deadline = MonotonicTime.now() + time
        for thread in threads where !thread.join(until: deadline) {
            throw ClusterFailure("parallel work did not end within \(time)")
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// The results in order of the elements, worked on by `threads` threads.
    public static func map<Element: Sendable, Result: Sendable>(
        _ elements: [Element], threads: Int, within time: Duration = .seconds(120),
        _ body: @escaping @Sendable (Element) throws -> Result
    ) throws -> [Result] {
        let parts = Monitor<[[(Int, Result)]]>([])
        try run(threads, within: time) { number in
            var own: [(Int, Result)] = []
            for place in stride(from: number, to: elements.count, by: threads) {
                own.append((place, try body(elements[place])))
            }
            parts.update { [own] in $0.append(own) }
        }
        return parts.withLock { $0.flatMap { $0 } }.sorted { $0.0 < $1.0 }.map(\.1)
    }
}

/// Asks again and again until `body` answers something; blocks the calling thread.
///
/// For what the product offers no wait for. Throws when the time is up, with the last `describe`.
@discardableResult
public func poll<Result>(
    within time: Duration, every pause: Duration = .milliseconds(20), for what: String,
    _ body: () throws -> Result?
) throws -> Result {
    let deadline = MonotonicTime.now() + time
    while true {
        if let result = try body() { return result }
        guard MonotonicTime.now() < deadline else {
            throw ClusterFailure("not within \(time): \(what)")
        }
        rest(pause)
    }
}

/// Blocks the calling thread.
public func rest(_ time: Duration) {
    _ = Monitor(()).wait(until: .now() + time) { _ -> Void? in nil }
}
