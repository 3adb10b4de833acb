import Engine
import HTTPClient
import JSON
import Log
import Platform
public import Topology

/// Follows one upstream, on two threads of its own, until stopped: one runs the link, one reports.
///
/// A session never joins another one, nor does anybody join it: ``stop()`` returns at once, and what
/// its threads still do afterwards the node refuses by ``number``. All decisions are
/// ``ReplicaMachine``'s.
public final class ReplicaSession: Sendable {
    /// What the node knows the session by; a later session has a higher one.
    public let number: UInt64
    public let upstream: NodeRecord
    /// What both ends call the link.
    public let id: String
    let environment: ReplicaEnvironment
    /// Held for microseconds.
    private let control: Monitor<Control>
    let duty = Monitor(AckDuty())
    /// Whose calls are ended by ``cutLink()``.
    private let clients = Monitor<[PeerClient]>([])

    struct Control: Sendable {
        var machine: ReplicaMachine
        var isStopped = false
        /// What a full sync has fetched stays on disk.
        var keepsFetched = false
        var origin: OriginHeartbeat?
        var received: LogIndex?
        var progress: FullSyncProgress?
        var told: PeerVersion?
        /// A snapshot that is not needed any more.
        var releasable: String?
        /// Reads the log for a state that does not serve yet, no faster than a full sync may.
        var limited: PeerClient?
    }

    /// - Parameters:
    ///   - number: Above that of every session before.
    ///   - upstream: Whom to follow.
    ///   - environment: What the session needs of the node.
    ///   - forcedReason: Begin with a full sync whatever the upstream says. With
    ///     ``FullSyncReason/historyDiverged`` the upstream is asked first where the histories part,
    ///     so that what only this node has is kept.
    public init(
        number: UInt64, upstream: NodeRecord, environment: ReplicaEnvironment,
        forcedReason: FullSyncReason? = nil
    ) {
        self.number = number
        self.upstream = upstream
        self.environment = environment
        let identity = environment.identity()
        id = "\(identity.number?.description ?? "0")-\(number)-\(ReplicaSession.randomSuffix())"
        let header = environment.engine()?.state.header
        control = Monitor(
            Control(
                machine: ReplicaMachine(
                    position: header?.position,
                    lastReign: header?.reign ?? Reign(term: 0, holder: NodeNumber(rawValue: 0)),
                    known: identity.version, forced: forcedReason, at: .now())))
    }

    /// Starts the threads. To be called once.
    public func start() {
        _ = WorkerThread(name: "replica-\(number)") { [self] in LinkRunner(self).run() }
        _ = WorkerThread(name: "reports-\(number)", stackBytes: 256 << 10) { [self] in
            AckReporter(self).run()
        }
    }

    /// Returns at once. Network calls end within 100 ms; whatever is applied or installed afterwards
    /// the node refuses by the session's number. With `keepsFetched` the files of an unfinished full sync
    /// stay for the next process.
    public func stop(keepsFetched: Bool = false) {
        _ = take(.stop)
        control.update {
            $0.isStopped = true
            $0.keepsFetched = keepsFetched
        }
        duty.update { $0.isStopped = true }
        for client in clients.withLock({ $0 }) { client.cancel() }
        environment.statusChanged()
    }

    /// Whether it has ended: it is never taken up again.
    public var isStopped: Bool { control.withLock { $0.isStopped } }

    /// What the session does now. Never waits for disk or network.
    public var status: ReplicaStatus {
        control.withLock { control in
            let machine = control.machine
            var nextRetryAt: MonotonicTime?
            switch machine.state {
            case .backoff(let retry), .stalled(let retry): nextRetryAt = retry.nextRetryAt
            case .connecting, .handshake, .streaming, .fullSync, .detached, .fenced, .stopped: break
            }
            return ReplicaStatus(
                id: id, upstream: upstream, state: machine.state.word, since: machine.since,
                lastProgressAt: machine.lastProgressAt, attempt: machine.attempt,
                failing: machine.failing, nextRetryAt: nextRetryAt,
                lastError: machine.lastError,
                fullSync: control.progress, origin: control.origin, received: control.received,
                told: control.told)
        }
    }

    // MARK: - For the session's threads

    /// Gives the machine an event; wakes whoever has to act on the answer.
    func take(_ event: ReplicaMachine.Event) -> [ReplicaMachine.Action] {
        let now = MonotonicTime.now()
        let chance = Double.random(in: 0..<1)
        let (actions, hasChanged) = control.withLock { control in
            let before = control.machine.state
            let actions = control.machine.take(event, at: now, chance: chance)
            control.follow(control.machine.state)
            return (actions, control.machine.state != before)
        }
        for action in actions {
            if case .acknowledge(let atOnce) = action { wantReport(atOnce: atOnce) }
        }
        if hasChanged { environment.statusChanged() }
        return actions
    }

    /// Changes what is shown beside the machine's state.
    func note(_ change: (inout Control) -> Void) { control.withLock { change(&$0) } }

    func read<Value: Sendable>(_ value: (Control) -> Value) -> Value {
        control.withLock { value($0) }
    }

    /// Blocks until the next attempt is due.
    ///
    /// - Returns: False once stopped.
    func waitForAttempt() -> Bool {
        while true {
            _ = take(.tick)
            if isStopped { return false }
            let until: MonotonicTime?
            switch read({ $0.machine.state }) {
            case .connecting: until = nil
            case .backoff(let retry), .stalled(let retry): until = retry.nextRetryAt
            case .detached, .fenced, .stopped: until = .distantFuture
            case .handshake, .streaming, .fullSync:
                // Nothing runs any more, whatever the reason.
                _ = take(.failed(.local("link-ended", "the link has ended")))
                continue
            }
            guard let until else { return true }
            _ = control.wait(until: until) { $0.isStopped ? true : nil }
        }
    }

    /// Ends the calls that run now. The link's thread then looks at the machine's state.
    func cutLink() { for client in clients.withLock({ $0 }) { client.cancel() } }

    /// A connection of its own to the upstream, which ``stop()`` and ``cutLink()`` end.
    func makeClient() -> PeerClient {
        let client = PeerClient(
            address: upstream.address,
            identity: { [environment, id] in
                var identity = environment.identity()
                identity.session = id
                return identity
            },
            signing: environment.signing, rules: environment.rules)
        clients.withLock { $0.append(client) }
        // Whoever stops after this line finds the client.
        if isStopped { client.cancel() }
        return client
    }

    /// The limit of a full sync is another one: it holds within 100 ms. Returns at once.
    public func rateChanged() {
        // Those who fetch files look by themselves.
        control.withLock {
            $0.limited?.setRate(bytesPerSecond: environment.syncBytesPerSecondMax())
        }
    }

    /// Holds a client to the limit of a full sync, or to none any more.
    func limit(_ client: PeerClient, isLimited: Bool) {
        // Within the lock, as otherwise a limit that was just replaced might be set last.
        control.withLock {
            $0.limited = isLimited ? client : nil
            client.setRate(
                bytesPerSecond: isLimited ? environment.syncBytesPerSecondMax() : nil)
        }
    }

    func forget(_ client: PeerClient) { clients.withLock { $0.removeAll { $0 === client } } }

    /// Hands what an upstream has said of the topology to the node.
    func tell(_ word: PeerWord, _ version: PeerVersion?) {
        note { $0.told = version ?? $0.told }
        environment.told(word)
    }

    private func wantReport(atOnce: Bool) {
        let mustWake = duty.withLock { duty in
            let wish: AckDuty.Wish = atOnce ? .atOnce : .soon
            guard wish > duty.wish else { return false }
            duty.wish = wish
            return true
        }
        if mustWake { duty.update { _ in } }
    }

    private static func randomSuffix() -> String {
        var generator = SystemRandomNumberGenerator()
        return String(generator.next() as UInt64, radix: 36)
    }
}

extension ReplicaSession.Control {
    /// Drops what belongs to states that have been left.
    mutating func follow(_ state: ReplicaMachine.State) {
        switch state {
        case .streaming, .fullSync: break
        case .connecting, .handshake, .backoff, .stalled, .detached, .fenced, .stopped:
            received = nil
            // Nothing flows.
            progress?.bytesPerSecond = 0
            progress?.etaSeconds = nil
        }
        if machine.pendingSync == nil { progress = nil }
    }
}
