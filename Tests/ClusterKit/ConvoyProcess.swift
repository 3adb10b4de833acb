import Glibc
import Platform

/// A real `convoy serve`: its own directory and port, which it keeps over restarts.
///
/// Killed at the end of its test.
public final class ConvoyProcess: Sendable {
    public let name: String
    public let port: UInt16
    /// Where others are told to reach it: a proxy's address, or its own.
    public let address: String
    public let directory: String
    public let client: TestClient
    private let program: String
    private let run: Monitor<Run>

    private struct Run {
        var child: ChildProcess?
        var flags: [String]
    }

    /// What to wait for after the start.
    public enum Readiness: Sendable {
        /// `/readyz`.
        case ready
        /// It has opened its state, and tells of itself: for nodes that cannot be ready before somebody
        /// takes them in. `/livez` is answered before.
        case alive
        case nothing
    }

    public static let startDeadline: Duration = .seconds(40)
    /// Within which a node that was asked to stop must have ended: it gives itself four seconds,
    /// and the machine may be busy.
    public static let stopDeadline: Duration = .seconds(30)

    /// Does not start it yet.
    ///
    /// - Parameters:
    ///   - name: `--name`.
    ///   - scratch: Where its directory is made.
    ///   - flags: Further flags of `convoy serve`, also after a restart.
    ///   - port: The port to listen at; a free one unless given.
    ///   - address: `--advertise`, if it differs from the port's.
    /// - Throws: ``ClusterFailure`` when there is no program or no port.
    public init(
        name: String, in scratch: ScratchDirectory, flags: [String] = [], port: UInt16? = nil,
        address: String? = nil
    ) throws {
        self.name = name
        self.program = try ConvoyBinary.path()
        self.port = try port ?? FreePort.take()
        self.address = address ?? "http://127.0.0.1:\(self.port)"
        self.directory = scratch.path(for: name)
        self.client = TestClient(base: "http://127.0.0.1:\(self.port)")
        self.run = Monitor(Run(child: nil, flags: flags))
        try FileSystem.createDirectory(directory)
        scratch.hold(self)
    }

    public var dataPath: String { "\(directory)/data" }
    public var errorsPath: String { "\(directory)/stderr.log" }

    public var isRunning: Bool { child?.isRunning ?? false }

    public var processID: Int32? { child?.processID }

    private var child: ChildProcess? { run.withLock { $0.child } }

    /// Flags from the next start on.
    public func setFlags(_ flags: [String]) { run.update { $0.flags = flags } }

    /// Starts it, with what it was started with before and `additional` flags for this run.
    public func start(additional: [String] = [], until readiness: Readiness = .ready) throws {
        guard !isRunning else { throw ClusterFailure("\(name) runs already") }
        var arguments = ["serve", "--name", name, "--data", dataPath]
        arguments += ["--http", "127.0.0.1:\(port)"]
        if address != "http://127.0.0.1:\(port)" { arguments += ["--advertise", address] }
        arguments += run.withLock { $0.flags } + additional
        let child = try ChildProcess(
            program, arguments, output: "\(directory)/stdout.log", errors: errorsPath)
        run.update { $0.child = child }
        switch readiness {
        case .ready: try waitUntilHealthy("/readyz")
        case .alive: try waitUntilHealthy("/v1/nodes/self", orRefused: true)
        case .nothing: break
        }
    }

    /// Blocks until `path` answers 200; with `orRefused` also until it asks for a credential.
    public func waitUntilHealthy(
        _ path: String, within time: Duration = ConvoyProcess.startDeadline,
        orRefused: Bool = false
    ) throws {
        var last = "no answer"
        let deadline = MonotonicTime.now() + time
        while MonotonicTime.now() < deadline {
            if let status = child?.status { throw failure("ended with \(status) instead") }
            do {
                let answer = try client.get(path)
                if answer.status == 200 || orRefused && [401, 403].contains(answer.status) {
                    return
                }
                last = answer.text
            } catch {
                last = "\(error)"
            }
            rest(.milliseconds(10))
        }
        throw failure("\(path) was not 200 within \(time): \(last)")
    }

    /// SIGTERM. Blocks until it has ended, and throws when it takes longer than it may.
    @discardableResult
    public func stop() throws -> ChildProcess.ExitStatus? {
        guard let child else { return nil }
        child.send(SIGTERM)
        guard let status = child.waitForEnd(within: ConvoyProcess.stopDeadline) else {
            throw failure("did not end within \(ConvoyProcess.stopDeadline) of SIGTERM")
        }
        return status
    }

    /// SIGKILL, as a crash: nothing is flushed, nobody is told.
    public func kill() {
        guard let child else { return }
        child.send(SIGKILL)
        _ = child.waitForEnd(within: .seconds(30))
    }

    /// SIGSTOP: it stands still, with its sockets open. Blocks until all of its threads do: on a busy
    /// machine the last may go on for a while.
    public func pause() {
        child?.send(SIGSTOP)
        let deadline = MonotonicTime.now() + .seconds(30)
        while MonotonicTime.now() < deadline, !isAtRest { rest(.milliseconds(1)) }
    }

    /// SIGCONT.
    public func resume() { child?.send(SIGCONT) }

    public func send(_ signal: Int32) { child?.send(signal) }

    public func waitForEnd(within time: Duration) -> ChildProcess.ExitStatus? {
        child?.waitForEnd(within: time)
    }

    /// The end of what it has written to standard error.
    public func errorsTail(lines: Int = 25) -> String {
        guard let bytes = try? FileSystem.readAll(errorsPath) else { return "" }  // Never started.
        let all = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return all.suffix(lines).joined(separator: "\n")
    }

    /// What ThreadSanitizer has reported of it, if it was built with it.
    public var raceReports: [String] {
        guard let bytes = try? FileSystem.readAll(errorsPath) else { return [] }  // Never started.
        return ThreadSanitizer.reports(in: String(decoding: bytes, as: UTF8.self))
    }

    private func failure(_ text: String) -> ClusterFailure {
        ClusterFailure("node \(name) \(text)\n\(errorsTail())")
    }
}
