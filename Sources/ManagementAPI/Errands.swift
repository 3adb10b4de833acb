import Platform

/// Work that an HTTP thread must not do: what takes long, or waits for the disk. Threads are started
/// as needed and end when there is nothing left to do.
final class Errands: Sendable {
    private let name: String
    private let threadsMax: Int
    private let waitingMax: Int
    private let state = Monitor(State())

    private struct State: Sendable {
        var threads = 0
        var waiting: [@Sendable () -> Void] = []
    }

    init(_ name: String, threadsMax: Int, waitingMax: Int) {
        self.name = name
        self.threadsMax = threadsMax
        self.waitingMax = waitingMax
    }

    /// - Returns: False, with nothing done, when too much waits already.
    func run(_ work: @escaping @Sendable () -> Void) -> Bool {
        let (isTaken, startsThread) = state.withLock { state -> (Bool, Bool) in
            if state.threads < threadsMax {
                state.threads += 1
                return (true, true)
            }
            guard state.waiting.count < waitingMax else { return (false, false) }
            state.waiting.append(work)
            return (true, false)
        }
        if startsThread {
            _ = WorkerThread(name: name) { [self] in
                work()
                while let next = takeNext() { next() }
            }
        }
        return isTaken
    }

    private func takeNext() -> (@Sendable () -> Void)? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.threads -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
    }
}
