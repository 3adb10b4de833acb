import Glibc

/// Mutable state behind a lock, with a condition that threads can wait for until a deadline.
///
/// The standard library's `Mutex` cannot wait. Threads that wait here are blocked, so only threads
/// that we own may call ``wait(until:_:)``; never one of Swift's cooperative pool.
///
/// Decide inside, act outside: nothing that blocks or calls back may run in `body`.
public final class Monitor<State>: @unchecked Sendable {
    // Sendable because every access to `state` happens with `mutex` held.
    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    public init(_ state: sending State) {
        self.state = state
        self.mutex = .allocate(capacity: 1)
        self.condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)

        // Deadlines are monotonic: a wall clock that jumps must not shorten or stretch a wait.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` with the lock held.
    public func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }

        return try body(&state)
    }

    /// Runs `body` with the lock held, then wakes every waiting thread.
    public func update<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }

        return try body(&state)
    }

    /// Calls `body` with the lock held, again after each ``update(_:)``, until it answers a value.
    ///
    /// Blocks the calling thread.
    ///
    /// - Returns: What `body` answered, or nil when `deadline` passed first.
    public func wait<Result>(
        until deadline: MonotonicTime, _ body: (inout State) -> sending Result?
    ) -> sending Result? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }

        var wakeAt = deadline.timespec
        while true {
            if let result = body(&state) { return result }

            if pthread_cond_timedwait(condition, mutex, &wakeAt) == ETIMEDOUT {
                return body(&state)
            }
        }
    }
}
