import Platform

/// What is to happen when, in order of time; of two things at one time the one asked for first.
struct EventQueue {
    private struct Event {
        var at: MonotonicTime
        var order: UInt64
        var run: () -> Void

        func isBefore(_ other: Event) -> Bool { (at, order) < (other.at, other.order) }
    }

    /// A binary heap.
    private var heap: [Event] = []
    private var order: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }
    var nextAt: MonotonicTime? { heap.first?.at }

    mutating func add(at time: MonotonicTime, _ run: @escaping () -> Void) {
        order += 1
        heap.append(Event(at: time, order: order, run: run))
        var child = heap.count - 1
        while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func take() -> (at: MonotonicTime, run: () -> Void)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return (first.at, first.run)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].isBefore(heap[least]) {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    mutating func removeAll() { heap = [] }
}
