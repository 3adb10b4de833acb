import Engine
import Platform

/// Namespaces that were looked through for values that have expired, and had none: not looked through again for
/// a moment, however often a quota refuses a write.
final class FruitlessLooks: Sendable {
    private let looks = Monitor<[NamespaceID: MonotonicTime]>([:])

    private static let rest: Duration = .seconds(1)
    /// More of them are forgotten, and may be looked through sooner.
    private static let countMax = 1_000

    func mayLook(at namespace: NamespaceID, now: MonotonicTime = .now()) -> Bool {
        looks.withLock { looks in
            looks[namespace].map { now - $0 >= FruitlessLooks.rest } ?? true
        }
    }

    func note(_ namespace: NamespaceID, now: MonotonicTime = .now()) {
        looks.withLock { looks in
            if looks.count >= FruitlessLooks.countMax { looks = [:] }
            looks[namespace] = now
        }
    }
}
