import Platform

/// What one route has answered since the process began.
final class RouteCounters: Sendable {
    private let cells = Monitor(Cells())

    struct Cells: Sendable {
        /// From 1xx to 5xx.
        var byClass = [OfClass](repeating: OfClass(), count: 5)

        var total: UInt64 { byClass.reduce(0) { $0 + $1.answers } }
    }

    /// Of one class of status.
    struct OfClass: Sendable {
        var answers: UInt64 = 0
        /// Up to each of ``RouteCounters/bounds``, and one for the rest; not cumulative.
        var byDuration = [UInt64](repeating: 0, count: RouteCounters.bounds.count + 1)
        var seconds = 0.0
    }

    /// In seconds.
    static let bounds: [Double] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10]

    /// The duration is nil for an answer that came before the request was read.
    func count(status: Int, duration: Duration?) {
        let place = min(max(status / 100, 1), 5) - 1
        let seconds = duration?.inSeconds
        let bucket = seconds.map { seconds in
            RouteCounters.bounds.firstIndex { seconds <= $0 } ?? RouteCounters.bounds.count
        }
        cells.withLock { cells in
            cells.byClass[place].answers += 1
            if let bucket { cells.byClass[place].byDuration[bucket] += 1 }
            cells.byClass[place].seconds += seconds ?? 0
        }
    }

    var now: Cells { cells.withLock { $0 } }
}
