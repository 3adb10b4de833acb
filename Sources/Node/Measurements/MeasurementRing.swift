public import Platform

/// What a node measured of itself at one moment. What was not known then is nil.
public struct Measurement: Equatable, Sendable {
    public var at: UnixMilliseconds
    /// Requests to read and to write data that this node has answered with success.
    public var readsPerSecond: Double?
    public var writesPerSecond: Double?
    /// Behind the primary.
    public var lagSeconds: Double?
    public var logBytes: UInt64?
    /// Until the first of its replicas needs a full sync.
    public var headroomSeconds: Double?
    public var diskFreeBytes: UInt64?
    /// Of the replicas that it knew, by name.
    public var replicaLagSeconds: [String: Double] = [:]

    public init(at: UnixMilliseconds) { self.at = at }
}

/// The measurements of the last hour, the oldest first: as many as there is place for, and then each takes
/// the place of the oldest. Pure.
///
/// What concerns replicas is kept for the newest ``replicaPointsMax`` alone: there may be 127 of them.
public struct MeasurementRing: Equatable, Sendable {
    public static let interval: Duration = .seconds(10)
    public static let pointsMax = 360
    public static let replicaPointsMax = 60

    private let capacity: Int
    private let replicaCapacity: Int
    private var points: [Measurement] = []
    /// Of the oldest, once there is no place left.
    private var oldest = 0

    public init(
        capacity: Int = MeasurementRing.pointsMax,
        replicaCapacity: Int = MeasurementRing.replicaPointsMax
    ) {
        self.capacity = max(1, capacity)
        self.replicaCapacity = max(1, replicaCapacity)
        points.reserveCapacity(self.capacity)
    }

    public mutating func append(_ point: Measurement) {
        if points.count < capacity {
            points.append(point)
        } else {
            points[oldest] = point
            oldest = (oldest + 1) % capacity
        }
        guard points.count > replicaCapacity else { return }
        let aged = (oldest + points.count - 1 - replicaCapacity) % points.count
        points[aged].replicaLagSeconds = [:]
    }

    /// The oldest first.
    public var all: [Measurement] { Array(points[oldest...] + points[..<oldest]) }

    /// By replica: its lag at each of the newest ``replicaPointsMax`` measurements, nil where it was not known.
    public var replicaLags: [String: [Double?]] {
        let newest = all.suffix(replicaCapacity)
        let names = Set(newest.flatMap(\.replicaLagSeconds.keys))
        return Dictionary(
            uniqueKeysWithValues: names.map { name in
                (name, newest.map { $0.replicaLagSeconds[name] })
            })
    }
}

/// Requests since the process began; turned into rates by what passed between two looks.
public struct RequestCounts: Equatable, Sendable {
    public var reads: UInt64
    public var writes: UInt64

    public init(reads: UInt64, writes: UInt64) {
        self.reads = reads
        self.writes = writes
    }

    /// Per second since `earlier`; nil when nothing was counted before or no time has passed.
    func rates(
        since earlier: RequestCounts?, _ elapsed: Duration
    ) -> (reads: Double, writes: Double)? {
        guard let earlier, elapsed > .zero, reads >= earlier.reads, writes >= earlier.writes else {
            return nil
        }
        let seconds = elapsed.inSeconds
        return (
            Double(reads - earlier.reads) / seconds, Double(writes - earlier.writes) / seconds
        )
    }
}
