import Engine
import HTTPClient
import JSON
import Log
import Platform
import Topology

/// When the next report is due.
struct AckDuty: Sendable {
    enum Wish: Int, Comparable, Sendable {
        case none, soon, atOnce

        static func < (a: Wish, b: Wish) -> Bool { a.rawValue < b.rawValue }
    }

    var wish = Wish.none
    var isStopped = false

    /// Between two reports that nobody waits for.
    static let spacing = Duration.milliseconds(10)
    static let interval = Duration.seconds(1)
}

/// Tells the upstream how far this node is: after applying, when asked, and at least each second.
/// Runs on a thread of its own, so that a slow report holds up no entry. Deadlines are not looked at
/// here: while an entry is being applied, it is not the upstream that is silent.
struct AckReporter {
    private let session: ReplicaSession
    private let client: PeerClient
    /// As of the last look, which is made once a second.
    private var diskFreeBytes: UInt64 = 0
    private var diskSeenAt: MonotonicTime?

    private static let deadlines = FetchDeadlines(total: .seconds(5))

    init(_ session: ReplicaSession) {
        self.session = session
        client = session.makeClient()
    }

    func run() {
        var copy = self
        copy.loop()
    }

    private mutating func loop() {
        var sentAt = MonotonicTime.now()
        while waitUntilDue(since: sentAt) {
            sentAt = .now()
            client.reset()
            guard !session.isStopped else { return }
            switch session.read({ $0.machine.state }) {
            case .streaming, .fullSync: report()
            case .connecting, .handshake, .backoff, .stalled, .detached, .fenced, .stopped: continue
            }
        }
    }

    /// - Returns: False once stopped.
    private func waitUntilDue(since sentAt: MonotonicTime) -> Bool {
        while true {
            let wish = session.duty.withLock { $0.wish }
            let due = sentAt + (wish == .soon ? AckDuty.spacing : AckDuty.interval)
            let verdict = session.duty.wait(until: due) { duty -> Bool? in
                if duty.isStopped { return false }
                return duty.wish == .atOnce || duty.wish > wish ? true : nil
            }
            if verdict == false { return false }
            let isDue = session.duty.withLock { duty in
                guard duty.wish == .atOnce || MonotonicTime.now() >= due else { return false }
                duty.wish = .none
                return true
            }
            if isDue { return true }
        }
    }

    private mutating func report() {
        guard let report = makeReport() else { return }
        let since = session.read { $0.machine.since }
        do throws(PeerError) {
            _ = try client.call(
                "POST", "/replication/acks", body: report.json, deadlines: AckReporter.deadlines)
        } catch {
            // Else it is of an attempt that is over.
            if session.read({ $0.machine.since }) == since { noteFailure(error) }
            return
        }
        release()
    }

    /// The link that we report on is not there, or its end has gone silent: no use to hold on to it.
    private func noteFailure(_ error: PeerError) {
        let failure: ReplicaMachine.Failure
        switch error {
        case .refused(let problem)
        where problem.code == "not-in-topology"
            && session.read({ $0.machine.state }) == .streaming:
            // The entry that ends the link may still be in the stream, and hand the reign over to this
            // very node: the upstream closes it within a second.
            return
        case .refused(let problem):
            failure = .refused(problem.code, problem.detail)
        case .timedOut, .unreachable:
            // The stream has its own deadlines; while a snapshot is made there is none.
            guard case .fullSync(_, .prepare) = session.read({ $0.machine.state }) else { return }
            failure = .silent(.idle)
        case .badAnswer, .cancelled:
            return
        }
        _ = session.take(.failed(failure))
        session.cutLink()
    }

    private func release() {
        guard let id = session.read({ $0.releasable }) else { return }
        session.note { $0.releasable = nil }
        // When this fails the lease ends by itself, as no report of a state that serves renews it.
        _ = try? client.call(
            "DELETE", "/replication/snapshots/\(id)", deadlines: AckReporter.deadlines)
    }

    private mutating func makeReport() -> AckReport? {
        let identity = session.environment.identity()
        guard let number = identity.number else { return nil }
        let engine = session.environment.engine()
        let header = engine?.state.header ?? .empty
        let (state, received) = session.read { ($0.machine.state, $0.received) }
        let isServing = state == .streaming
        return AckReport(
            node: number, session: session.id, applied: header.position,
            received: isServing ? header.position.index : received ?? .zero,
            durable: min(engine?.log.syncedIndex ?? .zero, header.position.index),
            state: state.word.rawValue, catalogDigest: header.catalogDigest,
            catalogIndex: header.catalogIndex, generation: identity.generation ?? Generation(0),
            diskFreeBytes: diskFree(), followers: session.environment.followers())
    }

    private mutating func diskFree() -> UInt64 {
        let now = MonotonicTime.now()
        if let diskSeenAt, now - diskSeenAt < AckDuty.interval { return diskFreeBytes }
        diskSeenAt = now
        // Unknown is reported as none: a plan then asks for a look instead of trusting old news.
        diskFreeBytes =
            (try? FileSystem.space(at: session.environment.dataDirectory.path).freeBytes) ?? 0
        return diskFreeBytes
    }
}
