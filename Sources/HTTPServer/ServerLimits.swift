import Platform

/// What one listener grants its clients.
public struct ServerLimits: Sendable {
    /// Threads that serve requests.
    public var threads = 2
    /// Clients beyond that wait to be accepted.
    public var connectionsMax = 4096
    /// Clients beyond that are hung up on. Loopback is exempt.
    public var connectionsPerAddressMax = 256
    /// Memory of a connection for the request line and header. It is zeroed after each request.
    public var headerBytesMax = 256 << 10
    /// From a header's first byte (or from the connect) to its last.
    public var headerDeadline = Duration.seconds(10)
    /// Below this rate, over ``bodyRateWindow``, a client is hung up on.
    public var bodyBytesPerSecondMin: UInt64 = 1 << 10
    public var bodyRateWindow = Duration.seconds(10)
    /// Without any byte in either direction. Whole seconds; suspended connections are exempt.
    public var idleTimeout = Duration.seconds(60)
    /// Of all connections together; beyond that bodies are refused with `busy`.
    public var bodyBytesInFlightMax = 512 << 20
    /// Of answers with an owner that wait to be read, of all connections together, half of it for one owner;
    /// beyond that `busy`.
    public var answerBytesInFlightMax = 256 << 20
    /// A body up to this size is drained before an early answer, so that the connection stays.
    public var drainBytesMax: UInt64 = 1 << 20
    /// A chunked body hides its size: this much is drained, then the client is hung up on.
    public var drainChunkedBytesMax: UInt64 = 16 << 20
    /// Of a streamed body that nobody wants any more so much is read on, before the client is hung up on.
    public var drainStreamedBytesMax: UInt64 = 1 << 30
    /// How often slow and departed clients are looked for.
    public var sweepInterval = Duration.milliseconds(500)

    public init() {}

    func checkInvariants() {
        invariant(threads > 0, "threads: \(threads)")
        invariant(connectionsMax >= threads, "connectionsMax: \(connectionsMax)")
        invariant(headerBytesMax >= 4096, "headerBytesMax: \(headerBytesMax)")
        invariant(
            drainChunkedBytesMax >= drainBytesMax,
            "drain limits: \(drainChunkedBytesMax) < \(drainBytesMax)")
        invariant(idleTimeout >= .seconds(1), "idleTimeout: \(idleTimeout)")
        invariant(sweepInterval > .zero, "sweepInterval: \(sweepInterval)")
    }
}
