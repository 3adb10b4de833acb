public import Log
public import Platform

/// How far behind a replica is, in entries, bytes and seconds.
public struct Lag: Equatable, Sendable {
    public var entries: UInt64
    public var bytes: UInt64
    /// Since the first entry that is missing there was appended here.
    public var seconds: Double

    public init(entries: UInt64, bytes: UInt64, seconds: Double) {
        self.entries = entries
        self.bytes = bytes
        self.seconds = seconds
    }

    public static let none = Lag(entries: 0, bytes: 0, seconds: 0)
}

/// Remembers when which entries were appended here, so that an acknowledged index can be turned
/// into bytes and seconds behind.
///
/// Pure. Bounded: when full, old neighbours are merged, so that times get coarser with age, by a
/// sixteenth of it at most, and never younger than they are.
///
/// Invariants
///  1. Samples ascend in index, time and bytes, and are at least ``spacing`` apart in time.
///  2. A sample's entries were appended at its time, or less than ``spacing`` after it; of a merged
///     one, at its time or later.
public struct LagClock: Sendable {
    private struct Sample {
        /// When the first of its entries was appended.
        var time: MonotonicTime
        /// The last of its entries.
        var index: LogIndex
        /// Appended in all, up to that entry.
        var bytes: UInt64
    }

    private var samples: [Sample] = []
    /// Where the clock began: nothing is known of entries up to here.
    private var start: Sample?

    public static let samplesMax = 1_024
    public static let spacing = Duration.milliseconds(10)
    /// What is merged spans at most this part of its age. So a day needs some 210 samples.
    static let coarseness = 16

    public init() {}

    /// The last index appended, as far as is known.
    public var last: LogIndex { (samples.last ?? start)?.index ?? .zero }

    /// Takes note that the log now ends with `index`, `addedBytes` longer than at the last call. An
    /// index that goes back is passed over: begin anew with another log.
    public mutating func append(_ index: LogIndex, addedBytes: UInt64, at now: MonotonicTime) {
        guard let newest = samples.last ?? start else {
            start = Sample(time: now, index: index, bytes: 0)
            return
        }
        guard index > newest.index else { return }
        let bytes = newest.bytes + addedBytes
        if let last = samples.last, now - last.time < LagClock.spacing {
            samples[samples.count - 1].index = index
            samples[samples.count - 1].bytes = bytes
        } else {
            if samples.count == LagClock.samplesMax { thin() }
            samples.append(Sample(time: now, index: index, bytes: bytes))
        }
    }

    /// How far behind the one is that has applied `index`.
    public func lag(acked index: LogIndex, at now: MonotonicTime) -> Lag {
        guard index < last, let start else { return .none }
        guard let slot = slot(holding: index.next) else {
            // Older than anything remembered: at least as long as that.
            return Lag(
                entries: last.distance(past: index), bytes: total,
                seconds: max(0, (now - start.time).inSeconds))
        }
        let sample = samples[slot]
        let before = slot == 0 ? start : samples[slot - 1]
        let missing = sample.index.distance(past: max(index, before.index))
        let span = max(1, sample.index.distance(past: before.index))
        let part = Double(sample.bytes - before.bytes) * Double(missing) / Double(span)
        return Lag(
            entries: last.distance(past: index), bytes: total - sample.bytes + UInt64(part),
            seconds: max(0, (now - sample.time).inSeconds))
    }

    /// How fast the log grew during about the last `window`; zero when nothing was appended in it.
    public func bytesPerSecond(
        at now: MonotonicTime, over window: Duration = .seconds(10)
    ) -> Double {
        guard let start else { return 0 }
        let since = MonotonicTime(nanoseconds: now.nanoseconds - window.wholeNanoseconds)
        let base = samples.last { $0.time <= since } ?? start
        // The base's own entries count as older, also when the clock began within the window.
        let elapsed = max((now - max(since, start.time)).inSeconds, 0.1)
        return Double(total - base.bytes) / elapsed
    }

    private var total: UInt64 { samples.last?.bytes ?? 0 }

    /// The sample whose entries include `index`; nil when it was appended before the clock began.
    private func slot(holding index: LogIndex) -> Int? {
        guard let start, index > start.index else { return nil }
        var low = 0
        var high = samples.count
        while low < high {
            let middle = (low + high) / 2
            if samples[middle].index >= index { high = middle } else { low = middle + 1 }
        }
        return low < samples.count ? low : nil
    }

    /// Merges neighbours as long as what they span together is short for their age.
    private mutating func thin() {
        guard let newest = samples.last?.time else { return }
        var kept: [Sample] = []
        for (place, sample) in samples.enumerated() {
            let end = place + 1 < samples.count ? samples[place + 1].time : newest
            if let last = kept.last, end - last.time <= (newest - end) / LagClock.coarseness {
                kept[kept.count - 1].index = sample.index
                kept[kept.count - 1].bytes = sample.bytes
            } else {
                kept.append(sample)
            }
        }
        invariant(kept.count < samples.count, "\(kept.count) samples cannot be thinned")
        samples = kept
    }
}
