import CPlatform
import Glibc

/// A thread that we own, so it may block. Runs `body` once; ends when `body` returns.
///
/// Starts running in `init`. The thread keeps `body` alive until it returns; dropping the value
/// neither stops nor joins it.
public final class WorkerThread: Sendable {
    private let finished = Monitor(false)
    private let thread: pthread_t

    /// - Parameters:
    ///   - name: At most 15 bytes are shown by `top -H` and gdb.
    ///   - stackBytes: Address space for the stack; memory is only used as touched.
    ///   - body: What to run.
    public init(
        name: String, stackBytes: Int = 1 << 20, _ body: @escaping @Sendable () -> Void
    ) {
        let finished = self.finished
        let start = Unmanaged.passRetained(
            Start(name: name) {
                body()
                finished.update { $0 = true }
            })  // Balanced by the release in `threadMain`.
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        defer { pthread_attr_destroy(&attributes) }

        var thread = pthread_t()
        let code = pthread_create(&thread, &attributes, threadMain, start.toOpaque())
        invariant(code == 0, "cannot start thread \(name): error \(code)")
        self.thread = thread
    }

    /// Whether the caller runs on this thread.
    public var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Blocks until `body` has returned or `deadline` has passed.
    ///
    /// - Returns: Whether it has returned.
    public func join(until deadline: MonotonicTime) -> Bool {
        finished.wait(until: deadline) { $0 ? true : nil } ?? false
    }
}

private final class Start {
    let name: String
    let body: () -> Void

    init(name: String, body: @escaping () -> Void) {
        self.name = name
        self.body = body
    }
}

private func threadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
    _ = shim_name_this_thread(start.name)
    start.body()
    return nil
}
