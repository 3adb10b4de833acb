public import Log
import Platform

/// What became of a wait for acknowledgements.
public struct AckOutcome: Equatable, Sendable {
    public var index: LogIndex
    public var wanted: Int
    /// How many configured replicas had acknowledged the index when the wait ended.
    public var reached: Int
    /// Whether a change of the topology before the index is not known widely enough, and that was
    /// waited for.
    public var isHeldBack: Bool

    public init(index: LogIndex, wanted: Int, reached: Int, isHeldBack: Bool = false) {
        self.index = index
        self.wanted = wanted
        self.reached = reached
        self.isHeldBack = isHeldBack
    }

    public var isMet: Bool { reached >= wanted && !isHeldBack }
}

/// Who waits until so many replicas have acknowledged an index. Pure.
///
/// Waiters of one kind (so many replicas, applied or synced) need one look at the acknowledged
/// indexes together.
struct AckWaiters: Sendable {
    typealias Completion = @Sendable (AckOutcome) -> Void

    struct Waiter: Sendable {
        var index: LogIndex
        var deadline: MonotonicTime
        var completion: Completion
    }

    struct Kind: Hashable, Sendable {
        var count: Int
        var isDurable: Bool
        /// Waits also until changes of the topology are known widely enough.
        var heedsTopology: Bool
    }

    /// As many as the committer takes changes: each may be a write that waits here afterwards.
    static let waitersMax = 65_536

    private var waiting: [Kind: [Waiter]] = [:]
    private(set) var count = 0
    /// The highest index that anybody has waited for.
    private(set) var wantedIndex = LogIndex.zero

    /// - Returns: False when there are too many already.
    mutating func add(_ waiter: Waiter, _ kind: Kind) -> Bool {
        guard count < AckWaiters.waitersMax else { return false }
        count += 1
        wantedIndex = max(wantedIndex, waiter.index)
        var list = waiting[kind, default: []]
        // Nearly always at the end: writes wait in the order of the log.
        let place = list.lastIndex { $0.index <= waiter.index }.map { $0 + 1 } ?? 0
        list.insert(waiter, at: place)
        waiting[kind] = list
        return true
    }

    /// Takes out everybody whose wait is met or, with `now`, over. `indexes` are what each configured
    /// replica has applied and synced; nothing from `firstHeldBack` on is answered to who heeds the
    /// topology.
    mutating func take(
        _ indexes: [(applied: LogIndex, durable: LogIndex)], firstHeldBack: LogIndex? = nil,
        expiredAt now: MonotonicTime?
    ) -> [(Completion, AckOutcome)] {
        guard count > 0 else { return [] }
        var done: [(Completion, AckOutcome)] = []
        for (kind, list) in waiting {
            let reached = indexes.map { kind.isDurable ? $0.durable : $0.applied }.sorted(by: >)
            // More replicas than there are: nothing meets that. None at all: anything does.
            let met =
                kind.count <= 0
                ? LogIndex(.max) : kind.count <= reached.count ? reached[kind.count - 1] : .zero
            func isHeldBack(_ index: LogIndex) -> Bool {
                kind.heedsTopology && firstHeldBack.map { $0 <= index } ?? false
            }
            // In order of the index: those that are met come first.
            let metCount = list.prefix { $0.index <= met && !isHeldBack($0.index) }.count
            var ended = Array(list.prefix(metCount))
            var left = list.dropFirst(metCount)
            if let now, left.contains(where: { $0.deadline <= now }) {
                ended += left.filter { $0.deadline <= now }
                left.removeAll { $0.deadline <= now }
            }
            guard !ended.isEmpty else { continue }
            waiting[kind] = left.isEmpty ? nil : Array(left)
            for waiter in ended {
                let outcome = AckOutcome(
                    index: waiter.index, wanted: kind.count,
                    reached: reached.prefix { $0 >= waiter.index }.count,
                    isHeldBack: isHeldBack(waiter.index))
                done.append((waiter.completion, outcome))
            }
        }
        count -= done.count
        return done
    }
}
