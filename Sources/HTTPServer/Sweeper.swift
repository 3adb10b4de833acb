import Platform

/// Looks at all connections now and then, and hangs up on clients that are too slow.
///
/// libmicrohttpd has a timeout for idleness only: a header byte every two seconds lives on.
final class Sweeper: Sendable {
    private let listening: Listening
    private let isStopping = Monitor(false)

    init(listening: Listening) { self.listening = listening }

    /// Runs until ``stop()``; blocks the calling thread.
    func run() {
        var patience: [ObjectIdentifier: Patience] = [:]
        while true {
            let nextAt = MonotonicTime.now() + listening.limits.sweepInterval
            if isStopping.wait(until: nextAt, { $0 ? true : nil }) != nil { return }

            patience = sweep(patience)
        }
    }

    func stop() { isStopping.update { $0 = true } }

    /// - Returns: The patience left, for the connections that are still there.
    private func sweep(
        _ before: [ObjectIdentifier: Patience]
    ) -> [ObjectIdentifier: Patience] {
        var after: [ObjectIdentifier: Patience] = [:]
        for connection in listening.connections.all {
            let id = ObjectIdentifier(connection)
            let now = MonotonicTime.now()
            var patience = before[id] ?? Patience(now: now)
            let phase = connection.phase
            let isExhausted = patience.isExhausted(
                by: phase, lastReceivedAt: lastReceived(connection, in: phase), now: now,
                limits: listening.limits)
            if isExhausted { connection.shut() }
            after[id] = patience
            noteDeparture(of: connection)
        }
        return after
    }

    /// Asks the kernel only where the answer matters.
    private func lastReceived(
        _ connection: ClientConnection, in phase: ClientConnection.Phase
    ) -> MonotonicTime? {
        guard case .awaitingHeader(_, isFirst: false) = phase else { return nil }
        return connection.lastReceivedAt
    }

    private func noteDeparture(of connection: ClientConnection) {
        guard let waiter = connection.waiter, connection.clientHasLeft else { return }
        switch waiter {
        case .exchange(let exchange): exchange.markAbandoned()
        case .stream(let stream): stream.abort()
        case .body(let body): body.noteDeparture()
        }
    }
}
