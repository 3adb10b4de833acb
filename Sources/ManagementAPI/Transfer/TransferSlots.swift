import Engine
import Platform

/// How many exports, or imports, go on at once: in all, and of one namespace, so that no tenant takes the
/// places of all others.
final class TransferSlots: Sendable {
    let totalMax: Int
    let perNamespaceMax: Int
    private let taken = Monitor<[NamespaceID: Int]>([:])

    init(totalMax: Int, perNamespaceMax: Int) {
        self.totalMax = totalMax
        self.perNamespaceMax = perNamespaceMax
    }

    /// Whether there is a place: then ``leave(_:)`` gives it back.
    func enter(_ namespace: NamespaceID) -> Bool {
        taken.withLock { taken in
            let total = taken.values.reduce(0, +)
            guard total < totalMax, taken[namespace, default: 0] < perNamespaceMax else {
                return false
            }
            taken[namespace, default: 0] += 1
            return true
        }
    }

    func leave(_ namespace: NamespaceID) {
        taken.withLock { taken in
            let left = (taken[namespace] ?? 1) - 1
            taken[namespace] = left > 0 ? left : nil
        }
    }

    /// What a request is told for which there is none.
    func refusal(of what: String) -> Problem {
        .tooManyRequests(
            "\(perNamespaceMax) \(what) of one namespace and \(totalMax) in all go on at once at a node, and so many do. Wait for one to end."
        )
    }
}
