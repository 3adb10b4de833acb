import Platform

/// A TCP proxy on loopback that can freeze, cut, slow down, and drop one direction.
///
/// Give its address where a node's would stand. All connections obey ``conduct`` from the moment it
/// is set. Ends with its last reference.
public final class FaultyProxy: Sendable {
    public let port: UInt16
    private let state: ProxyState

    /// How bytes of one direction travel.
    public enum Flow: Equatable, Sendable {
        case open
        /// They wait; the sockets stay open, and the sender's buffers fill.
        case frozen
        /// Of each connection.
        case limited(bytesPerSecond: Int)
        /// They vanish, though the sender is told that they arrived. A connection that has lost
        /// bytes is cut when its flow changes again.
        case dropped
    }

    public struct Conduct: Equatable, Sendable {
        /// From who connects to the server behind.
        public var toServer: Flow
        public var toClient: Flow
        /// Otherwise a new connection is reset at once.
        public var acceptsConnections: Bool

        public init(
            toServer: Flow = .open, toClient: Flow = .open, acceptsConnections: Bool = true
        ) {
            self.toServer = toServer
            self.toClient = toClient
            self.acceptsConnections = acceptsConnections
        }

        public static let healthy = Conduct()
        public static let frozen = Conduct(toServer: .frozen, toClient: .frozen)
        public static let refusing = Conduct(acceptsConnections: false)
    }

    /// Begins to take connections, and to connect each to `serverPort` of loopback.
    public init(to serverPort: UInt16) throws(ClusterFailure) {
        port = try FreePort.take()
        let listener = try Socket.listening(at: port)
        let state = ProxyState()
        self.state = state
        _ = WorkerThread(name: "proxy", stackBytes: 256 << 10) {
            while !state.isClosed {
                guard let client = listener.accepted(within: .milliseconds(50)) else { continue }
                ProxyConnection.begin(client, to: serverPort, state)
            }
        }
    }

    deinit { state.close() }

    public var address: String { "http://127.0.0.1:\(port)" }

    public var conduct: Conduct {
        get { state.conduct }
        set { state.set(newValue) }
    }

    /// Resets every connection. New ones are taken or not as ``conduct`` says.
    public func cut() { state.cut() }

    /// Lets `body` see the first line of every request from now on, as `GET /livez HTTP/1.1`, on a
    /// thread of the proxy and before the request goes on. Nil: nobody looks any more.
    public func watchRequests(_ body: (@Sendable (String) -> Void)?) { state.watch(body) }

    /// What has passed since the start.
    public var traffic: Traffic { state.traffic }

    public struct Traffic: Sendable {
        public var connections = 0
        public var openConnections = 0
        public var bytesToServer = 0
        public var bytesToClient = 0
    }
}

/// What the proxy's threads share.
final class ProxyState: Sendable {
    private let shared = Monitor(Shared())

    private struct Shared {
        var conduct = FaultyProxy.Conduct.healthy
        var traffic = FaultyProxy.Traffic()
        var isClosed = false
        var nextNumber = 0
        var cuts = 0
        var connections: [Int: ProxyConnection] = [:]
        var watcher: (@Sendable (String) -> Void)?
    }

    var isClosed: Bool { shared.withLock { $0.isClosed } }
    var conduct: FaultyProxy.Conduct { shared.withLock { $0.conduct } }
    var traffic: FaultyProxy.Traffic {
        shared.withLock { shared in
            var traffic = shared.traffic
            traffic.openConnections = shared.connections.count
            return traffic
        }
    }

    func set(_ conduct: FaultyProxy.Conduct) { shared.update { $0.conduct = conduct } }

    func watch(_ body: (@Sendable (String) -> Void)?) { shared.update { $0.watcher = body } }

    /// Bytes on their way to the server: tells the watcher when a request begins with them, as it
    /// does at the begin of a piece, since a client of a node sends the next one after the answer.
    func passing(_ bytes: [UInt8]) {
        guard let watcher = shared.withLock({ $0.watcher }),
            ["GET /", "POST /", "PUT /", "PATCH /", "DELETE /"].contains(
                where: { bytes.starts(with: Array($0.utf8)) })
        else { return }
        let line = bytes.prefix { $0 != UInt8(ascii: "\r") }
        watcher(String(decoding: line, as: UTF8.self))
    }

    /// How often everything was cut.
    var cuts: Int { shared.withLock { $0.cuts } }

    /// Nil when connections are not taken any more, or all were cut after so many `cuts`.
    func add(_ connection: ProxyConnection, cuts: Int) -> Int? {
        shared.update { shared -> Int? in
            guard shared.conduct.acceptsConnections, !shared.isClosed, shared.cuts == cuts else {
                return nil
            }
            shared.nextNumber += 1
            shared.traffic.connections += 1
            shared.connections[shared.nextNumber] = connection
            return shared.nextNumber
        }
    }

    func remove(_ number: Int) { shared.update { _ = $0.connections.removeValue(forKey: number) } }

    func count(_ bytes: Int, toServer: Bool) {
        shared.withLock { shared in
            if toServer {
                shared.traffic.bytesToServer += bytes
            } else {
                shared.traffic.bytesToClient += bytes
            }
        }
    }

    /// What there is at `source`, which is readable; nil when the conduct is another one by now.
    /// Under one lock: what is sent after a change must not be taken as if it came before.
    func read(_ source: Socket, countMax: Int, as conduct: FaultyProxy.Conduct) -> [UInt8]? {
        shared.withLock { shared in
            shared.conduct == conduct ? source.read(countMax: countMax) : nil
        }
    }

    func cut() {
        let connections = shared.update { shared in
            shared.cuts += 1
            return Array(shared.connections.values)
        }
        for connection in connections { connection.shut() }
    }

    func close() {
        shared.update { $0.isClosed = true }
        cut()
    }

    /// Blocks until the conduct is another one, the proxy closes, or the time is up.
    func waitForChange(from conduct: FaultyProxy.Conduct, until deadline: MonotonicTime) {
        _ = shared.wait(until: deadline) { shared -> Bool? in
            shared.conduct != conduct || shared.isClosed ? true : nil
        }
    }
}
