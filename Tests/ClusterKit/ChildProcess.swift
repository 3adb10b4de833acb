public import Glibc
import Platform

/// A program that this process has started. Killed when the last reference goes away.
///
/// Signals go to the very process that was started, never to another that got its number later:
/// the number stays taken until `reap` has it, under the same lock as signals.
public final class ChildProcess: Sendable {
    public let processID: pid_t
    private let ending: Monitor<Ending>

    public enum ExitStatus: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)
    }

    private struct Ending {
        var status: ExitStatus?
    }

    /// - Parameters:
    ///   - program: An absolute path.
    ///   - arguments: Without the program's name.
    ///   - input: A file for standard input.
    ///   - output: A file that standard output is appended to.
    ///   - errors: The same for standard error.
    /// - Throws: ``ClusterFailure`` when it cannot be started.
    public init(
        _ program: String, _ arguments: [String], input: String = "/dev/null", output: String,
        errors: String
    ) throws(ClusterFailure) {
        let ending = Monitor(Ending())
        self.ending = ending
        // The kernel ends the child when the thread that started it ends, as with this process.
        let words = ["setpriv", "--pdeathsig", "KILL", program] + arguments
        let result = Spawner.shared.spawn(
            "/usr/bin/setpriv", words, input: input, output: output, errors: errors)
        switch result {
        case .success(let number): processID = number
        case .failure(let failure): throw failure
        }
        let number = processID
        _ = WorkerThread(name: "reaper", stackBytes: 64 << 10) {
            ChildProcess.reap(number, into: ending)
        }
    }

    deinit {
        send(SIGKILL)
        _ = waitForEnd(within: .seconds(10))
    }

    public var isRunning: Bool { status == nil }

    public var status: ExitStatus? { ending.withLock { $0.status } }

    /// Does nothing when the process has ended.
    public func send(_ signal: Int32) {
        ending.withLock { ending in
            if ending.status == nil { kill(processID, signal) }
        }
    }

    /// Blocks until the process has ended or the time is up (nil).
    public func waitForEnd(within time: Duration) -> ExitStatus? {
        ending.wait(until: .now() + time) { $0.status }
    }

    private static func reap(_ number: pid_t, into ending: Monitor<Ending>) {
        var information = siginfo_t()
        while waitid(P_PID, id_t(number), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        ending.update { ending in
            var word: Int32 = 0
            while waitpid(number, &word, 0) < 0 && errno == EINTR {}
            let signal = word & 0x7F
            ending.status = signal == 0 ? .exited((word >> 8) & 0xFF) : .signalled(signal)
        }
    }
}

/// The one thread that starts processes, and never ends: see `ChildProcess.init`.
final class Spawner: Sendable {
    static let shared = Spawner()

    private let inbox = Monitor<[@Sendable () -> Void]>([])

    private init() {
        let inbox = self.inbox
        _ = WorkerThread(name: "spawner", stackBytes: 256 << 10) {
            while true {
                let jobs: [@Sendable () -> Void]? = inbox.wait(until: .distantFuture) { jobs in
                    defer { jobs = [] }
                    return jobs.isEmpty ? nil : jobs
                }
                for job in jobs ?? [] { job() }
            }
        }
    }

    func spawn(
        _ program: String, _ words: [String], input: String, output: String, errors: String
    ) -> Result<pid_t, ClusterFailure> {
        let outcome = Monitor<Result<pid_t, ClusterFailure>?>(nil)
        inbox.update { jobs in
            jobs.append {
                let result = Spawner.start(
                    program, words, input: input, output: output, errors: errors)
                outcome.update { $0 = result }
            }
        }
        let result = outcome.wait(until: .now() + .seconds(30)) { $0 }
        return result ?? .failure(ClusterFailure("\(program) was not started within 30 s"))
    }

    private static func start(
        _ program: String, _ words: [String], input: String, output: String, errors: String
    ) -> Result<pid_t, ClusterFailure> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let appending = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, appending, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, appending, 0o600)
        // Not all libraries mark their sockets: a node must not keep one of ours open.
        let highest = (try? FileSystem.list("/proc/self/fd"))?.compactMap { Int32($0) }.max() ?? 64
        for descriptor in 3...(highest + 64) {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        // A process group of its own: Ctrl-C reaches this process only, which then stops the rest.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] =
            ProcessEnvironment.forNodes.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }

        var number = pid_t()
        let code = posix_spawn(
            &number, program, &actions, &attributes, &arguments, &environment)
        guard code == 0 else {
            let reason = String(cString: strerror(code))
            return .failure(ClusterFailure("cannot start \(program): \(reason)"))
        }
        return .success(number)
    }
}
