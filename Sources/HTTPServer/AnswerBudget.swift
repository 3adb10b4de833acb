import Platform

/// Memory of the answers that are kept until their clients have read them, by whom they belong to. Nobody's
/// part is all of it, so who does not read what is sent leaves room for others.
final class AnswerBudget: Sendable {
    private let bytesMax: Int
    private let used = Monitor<(total: Int, of: [String: Int])>((0, [:]))

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Of one owner.
    private var partMax: Int { bytesMax / 2 }

    /// Reserves `count` bytes, or answers false and reserves nothing. One answer of any size has room when
    /// its owner has no other.
    func reserve(_ count: Int, for owner: String) -> Bool {
        used.withLock { used in
            let own = used.of[owner] ?? 0
            guard own == 0 || own + count <= partMax, used.total + count <= bytesMax else {
                return false
            }
            used.of[owner] = own + count
            used.total += count
            return true
        }
    }

    func release(_ count: Int, of owner: String) {
        used.withLock { used in
            let left = (used.of[owner] ?? 0) - count
            used.of[owner] = left > 0 ? left : nil
            used.total -= count
        }
    }
}
