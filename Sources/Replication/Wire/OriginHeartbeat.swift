public import Log
public import Platform
public import Topology

/// What the *origin*, the node that holds the reign, last said of itself, and how old that is.
public struct OriginHeartbeat: Equatable, Sendable {
    public var lineage: Lineage
    public var position: Position
    /// The origin's wall clock when it said so.
    public var time: UnixMilliseconds
    public var reign: Reign
    public var generation: Generation
    public var catalogIndex: LogIndex
    public var catalogDigest: Hash128
    /// When it reached this node.
    public var receivedAt: MonotonicTime
    /// How old it was then.
    public var ageThen: Duration

    /// Older than this, nothing is known of the lag.
    public static let ageMax = Duration.seconds(3)

    public init(
        lineage: Lineage, position: Position, time: UnixMilliseconds, reign: Reign,
        generation: Generation, catalogIndex: LogIndex, catalogDigest: Hash128,
        receivedAt: MonotonicTime, ageThen: Duration = .zero
    ) {
        self.lineage = lineage
        self.position = position
        self.time = time
        self.reign = reign
        self.generation = generation
        self.catalogIndex = catalogIndex
        self.catalogDigest = catalogDigest
        self.receivedAt = receivedAt
        self.ageThen = ageThen
    }

    init(_ payload: HeartbeatPayload, receivedAt: MonotonicTime) {
        self.init(
            lineage: payload.lineage, position: payload.originPosition, time: payload.originTime,
            reign: payload.reign, generation: Generation(payload.generation),
            catalogIndex: payload.catalogIndex, catalogDigest: payload.catalogDigest,
            receivedAt: receivedAt, ageThen: .milliseconds(Int64(payload.ageMilliseconds)))
    }

    /// How old it is now.
    public func age(at now: MonotonicTime) -> Duration { ageThen + (now - receivedAt) }

    /// As it is passed on now.
    func payload(at now: MonotonicTime) -> HeartbeatPayload {
        HeartbeatPayload(
            lineage: lineage, originPosition: position, originTime: time, reign: reign,
            generation: generation.rawValue, catalogIndex: catalogIndex,
            catalogDigest: catalogDigest,
            ageMilliseconds: UInt32(clamping: age(at: now).wholeMilliseconds))
    }
}

extension MonotonicTime {
    /// The same moment on the wall clock as this process first saw it, so that one moment is always
    /// shown as one time, whatever the wall clock does later.
    public var wallClock: UnixMilliseconds {
        let milliseconds = (self - WallAnchor.moment.monotonic).wholeMilliseconds
        return UnixMilliseconds(
            rawValue: UInt64(max(0, Int64(WallAnchor.moment.wall.rawValue) + milliseconds)))
    }
}

private enum WallAnchor {
    /// One moment on both clocks.
    static let moment = (monotonic: MonotonicTime.now(), wall: UnixMilliseconds.now())
}
