import Engine
import Log
import Platform
import Replication
import Topology

/// What the node measures of itself, each ``MeasurementRing/interval``, for plots of the last hour. In memory
/// alone. Safe from any thread; nothing here blocks.
public final class Measurements: Sendable {
    private let state = Monitor(State())

    private struct State {
        var ring = MeasurementRing()
        var counter: (@Sendable () -> RequestCounts)?
        var counted: (RequestCounts, at: MonotonicTime)?
    }

    /// Has requests counted by whoever serves them, from now on.
    public func countRequests(_ counter: @escaping @Sendable () -> RequestCounts) {
        state.withLock {
            $0.counter = counter
            $0.counted = (RequestCounts(reads: 0, writes: 0), .now())
        }
    }

    public var now: MeasurementRing { state.withLock { $0.ring } }

    func take(_ point: Measurement, at now: MonotonicTime) {
        let counts = state.withLock { $0.counter }?()
        state.withLock { state in
            var point = point
            if let counts {
                let rates = counts.rates(
                    since: state.counted?.0, state.counted.map { now - $0.at } ?? .zero)
                point.readsPerSecond = rates?.reads
                point.writesPerSecond = rates?.writes
                state.counted = (counts, now)
            }
            state.ring.append(point)
        }
    }
}

extension Node {
    /// Looks at what is published, and never waits.
    func measure() {
        let reports = reports()
        let own = reports.first { $0.name == name.rawValue } ?? report()
        var point = Measurement(at: .now())
        point.lagSeconds = own.lag?.seconds
        point.logBytes = engine?.log.bytes
        point.diskFreeBytes = own.diskFreeBytes
        point.headroomSeconds = reports.compactMap { $0.retention?.headroomSeconds }.min()
        for report in reports where report.configured?.role == .replica {
            point.replicaLagSeconds[report.name] = report.lag?.seconds
        }
        measurements.take(point, at: .now())
    }
}
