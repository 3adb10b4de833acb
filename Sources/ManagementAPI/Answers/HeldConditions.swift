import Platform

/// Since when conditions that are asked about again and again have held, as far as each look at
/// them has shown.
final class HeldConditions: Sendable {
    private let since = Monitor<[String: MonotonicTime]>([:])

    /// Load balancers ask a few questions; a stranger cannot fill the memory.
    private static let countMax = 64

    /// How long the condition has held, not before `earliest`; nil when it does not.
    func note(_ condition: String, holds: Bool, earliest: MonotonicTime?) -> Duration? {
        let now = MonotonicTime.now()
        return since.withLock { since -> Duration? in
            guard holds else {
                since[condition] = nil
                return nil
            }
            let first = max(since[condition] ?? earliest ?? now, earliest ?? .init(nanoseconds: 0))
            if since[condition] != nil || since.count < HeldConditions.countMax {
                since[condition] = first
            }
            return now - first
        }
    }
}
