import Platform
import Synchronization

/// What moves with the requests to one namespace, outside the catalog's value: one cache line. One thread
/// at a time sets what it holds, the one that applies entries; any may read, and count requests.
struct NamespaceCounters: ~Copyable, Sendable {
    /// Odd while the three after it are being set: whoever reads them together then looks again, so
    /// there is no lock in each of a hundred thousand.
    fileprivate let version = Atomic<UInt64>(0)
    fileprivate let keys = Atomic<UInt64>(0)
    fileprivate let bytes = Atomic<UInt64>(0)
    /// 0: never.
    fileprivate let lastWrite = Atomic<UInt64>(0)
    /// The trouble in the lowest byte; in the next one the soft quotas that were told of as exceeded; above
    /// since when the worst of the trouble is there, in milliseconds since 1970, 0 if nobody knows.
    fileprivate let trouble = Atomic<UInt64>(0)
    let reads = Atomic<UInt64>(0)
    let writes = Atomic<UInt64>(0)
    let bucket = Atomic<UInt64>(0)
}

/// The counters of namespaces whose ids follow each other, side by side in memory, so that looking at all
/// of them takes a moment. Versions of the catalog share it; a counter of an id that no namespace has is 0.
final class CounterChunk: Sendable {
    static let countMax = 128

    let counters: [128 of NamespaceCounters] = InlineArray { _ in NamespaceCounters() }
}

/// The counters of one namespace.
struct NamespaceUsage: Sendable {
    private let chunk: CounterChunk
    private let place: Int

    init(_ chunk: CounterChunk, place: Int) {
        self.chunk = chunk
        self.place = place
    }

    var value: (usage: Usage, lastWriteAt: UnixMilliseconds?) {
        while true {
            let before = chunk.counters[place].version.load(ordering: .sequentiallyConsistent)
            let usage = Usage(
                keys: chunk.counters[place].keys.load(ordering: .sequentiallyConsistent),
                bytes: chunk.counters[place].bytes.load(ordering: .sequentiallyConsistent))
            let time = chunk.counters[place].lastWrite.load(ordering: .sequentiallyConsistent)
            let after = chunk.counters[place].version.load(ordering: .sequentiallyConsistent)
            guard before == after, before.isMultiple(of: 2) else { continue }
            return (usage, time == 0 ? nil : UnixMilliseconds(rawValue: time))
        }
    }

    /// Nil leaves the last write as it is.
    func set(_ usage: Usage, lastWriteAt: UnixMilliseconds?) {
        chunk.counters[place].version.add(1, ordering: .sequentiallyConsistent)
        chunk.counters[place].keys.store(usage.keys, ordering: .sequentiallyConsistent)
        chunk.counters[place].bytes.store(usage.bytes, ordering: .sequentiallyConsistent)
        if let lastWriteAt {
            chunk.counters[place].lastWrite.store(
                lastWriteAt.rawValue, ordering: .sequentiallyConsistent)
        }
        chunk.counters[place].version.add(1, ordering: .sequentiallyConsistent)
    }

    // Each of these alone is exact as of the last entry applied.

    var keys: UInt64 { chunk.counters[place].keys.load(ordering: .relaxed) }
    var bytes: UInt64 { chunk.counters[place].bytes.load(ordering: .relaxed) }
    /// Milliseconds since 1970; 0: never.
    var lastWrite: UInt64 { chunk.counters[place].lastWrite.load(ordering: .relaxed) }

    var trouble: NamespaceTrouble { troubleSince.trouble }

    /// With when the worst of it came to be; nil: not known.
    var troubleSince: (trouble: NamespaceTrouble, since: UnixMilliseconds?, told: SoftQuotas) {
        let word = chunk.counters[place].trouble.load(ordering: .relaxed)
        return (
            NamespaceTrouble(rawValue: UInt8(truncatingIfNeeded: word)),
            word >> 16 == 0 ? nil : UnixMilliseconds(rawValue: word >> 16),
            SoftQuotas(rawValue: UInt8(truncatingIfNeeded: word >> 8))
        )
    }

    func set(_ trouble: NamespaceTrouble, since: UnixMilliseconds?, told: SoftQuotas) {
        let bits = UInt64(told.rawValue) << 8 | UInt64(trouble.rawValue)
        chunk.counters[place].trouble.store(
            (since?.rawValue ?? 0) << 16 | bits, ordering: .relaxed)
    }

    var traffic: NamespaceTraffic { NamespaceTraffic(chunk, place: place) }
}

/// The counters of all namespaces of a catalog, by their ids.
struct CounterTable: Sendable {
    private struct Part: Sendable {
        let chunk: CounterChunk
        /// A bit for each place that a namespace has.
        var living: UInt128 = 0
    }

    private var parts = SortedTable<UInt32, Part>()

    private static func place(of id: NamespaceID) -> (part: UInt32, place: Int) {
        let size = UInt32(CounterChunk.countMax)
        return (id.rawValue / size, Int(id.rawValue % size))
    }

    /// Of a namespace that has just been made: all of them are 0.
    mutating func add(_ id: NamespaceID) -> NamespaceUsage {
        let (number, place) = CounterTable.place(of: id)
        var part = parts[number] ?? Part(chunk: CounterChunk())
        part.living |= 1 << place
        parts[number] = part
        return NamespaceUsage(part.chunk, place: place)
    }

    mutating func remove(_ id: NamespaceID) {
        let (number, place) = CounterTable.place(of: id)
        guard var part = parts[number] else { return }
        part.living &= ~(1 << place)
        parts[number] = part.living == 0 ? nil : part
    }

    /// In order of the ids. The body is called for each namespace of this catalog, and no other.
    func forEach(_ body: (NamespaceID, NamespaceUsage) -> Void) {
        parts.forEach { number, part in
            var living = part.living
            while living != 0 {
                let place = living.trailingZeroBitCount
                living &= living - 1
                let id = number * UInt32(CounterChunk.countMax) + UInt32(place)
                body(NamespaceID(rawValue: id), NamespaceUsage(part.chunk, place: place))
            }
        }
    }
}
