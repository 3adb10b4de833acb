import Platform

/// One connection through a ``FaultyProxy``: two sockets, and a thread for each direction.
final class ProxyConnection: Sendable {
    private let client: Socket
    private let server: Socket
    private let state: ProxyState
    private let openDirections = Monitor(2)
    private let isShut = Monitor(false)

    private init(_ client: Socket, _ server: Socket, _ state: ProxyState) {
        self.client = client
        self.server = server
        self.state = state
    }

    static func begin(_ client: Socket, to serverPort: UInt16, _ state: ProxyState) {
        let cuts = state.cuts
        guard state.conduct.acceptsConnections,
            let server = try? Socket.connected(to: serverPort)  // Nobody there: as if not there.
        else { return client.shut(reset: true) }
        let connection = ProxyConnection(client, server, state)
        guard let number = state.add(connection, cuts: cuts) else { return connection.shut() }
        for toServer in [true, false] {
            _ = WorkerThread(name: toServer ? "proxy-in" : "proxy-out", stackBytes: 256 << 10) {
                connection.pump(toServer: toServer)
                let open = connection.openDirections.update { open in
                    open -= 1
                    return open
                }
                if open == 0 { state.remove(number) }
            }
        }
    }

    func shut() {
        isShut.update { $0 = true }
        client.shut(reset: true)
        server.shut(reset: true)
    }

    private func pump(toServer: Bool) {
        let (source, target) = toServer ? (client, server) : (server, client)
        var pace = ProxyPace()
        var hasDropped = false
        while !isShut.withLock({ $0 }) {
            let conduct = state.conduct
            let flow = toServer ? conduct.toServer : conduct.toClient
            if hasDropped && flow != .dropped { return shut() }
            if flow == .frozen {
                state.waitForChange(from: conduct, until: .now() + .milliseconds(100))
                continue
            }
            if let restUntil = pace.rest(flow) {
                state.waitForChange(from: conduct, until: restUntil)
                continue
            }
            guard source.isReadable(within: .milliseconds(20)) else { continue }
            // Frozen while it waited: nothing may slip through.
            let countMax = pace.pieceBytesMax(flow)
            guard let bytes = state.read(source, countMax: countMax, as: conduct) else { continue }

            if bytes.isEmpty { return target.endWriting() }
            if flow == .dropped {
                hasDropped = true
                continue
            }
            if toServer { state.passing(bytes) }
            guard target.write(bytes) else { return shut() }
            state.count(bytes.count, toServer: toServer)
            pace.sent(bytes.count)
        }
    }
}

/// A rate limit: what was sent must be paid for by time before more is read. Pure but for the clock.
private struct ProxyPace {
    private var paidUntil = MonotonicTime.now()
    private var unpaidBytes = 0

    /// How long to rest, or nil to go on.
    mutating func rest(_ flow: FaultyProxy.Flow) -> MonotonicTime? {
        let now = MonotonicTime.now()
        guard case .limited(let rate) = flow else {
            paidUntil = now
            unpaidBytes = 0
            return nil
        }
        let cost = Duration.seconds(Double(unpaidBytes) / Double(max(1, rate)))
        paidUntil = max(paidUntil + cost, now + .milliseconds(-100))
        unpaidBytes = 0
        return paidUntil > now ? paidUntil : nil
    }

    func pieceBytesMax(_ flow: FaultyProxy.Flow) -> Int {
        guard case .limited(let rate) = flow else { return 64 << 10 }
        return min(64 << 10, max(1, rate / 20))
    }

    mutating func sent(_ count: Int) { unpaidBytes += count }
}
