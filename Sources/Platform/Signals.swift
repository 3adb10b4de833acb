import Glibc

/// The signals that end the process, as something that a thread waits for.
public enum Signals {
    /// Call first, before any thread is started: SIGINT, SIGTERM and SIGHUP are then held back in all
    /// threads until ``wait()`` takes them, and a write to a closed socket is an error, not an end.
    public static func takeOver() {
        signal(SIGPIPE, SIG_IGN)
        var set = endings
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Blocks the calling thread until one of the signals comes, and answers its name.
    public static func wait() -> String {
        var set = endings
        var number: Int32 = 0
        while sigwait(&set, &number) != 0 {}
        switch number {
        case SIGINT: return "SIGINT"
        case SIGTERM: return "SIGTERM"
        default: return "SIGHUP"
        }
    }

    /// Ends the process at once, without running anything more.
    public static func exitNow(code: Int32) -> Never { _exit(code) }

    private static var endings: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGHUP)
        return set
    }
}
