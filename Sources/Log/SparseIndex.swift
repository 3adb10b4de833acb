import Platform

/// Places in one segment, about 64 KiB apart, from which reading can start.
///
/// Invariant: marks ascend, and the first is the segment's first record.
struct SparseIndex: Sendable {
    struct Mark: Sendable, Equatable {
        /// The record that begins at ``offset``.
        var index: LogIndex
        var offset: UInt64
        /// The chain hash of the entry before ``index``.
        var before: Hash128

        /// The position before ``index``.
        var start: Position { Position(index: LogIndex(index.rawValue - 1), hash: before) }
    }

    /// 40 bytes of memory for so many bytes of log.
    static let spacingBytes: UInt64 = 64 << 10

    private(set) var marks: [Mark]

    init(_ header: SegmentHeader) {
        marks = [
            Mark(index: header.first, offset: UInt64(SegmentHeader.bytes), before: header.before)
        ]
    }

    /// Takes note of a record, in order; keeps it when it is far enough from the last one kept.
    mutating func note(_ index: LogIndex, at offset: UInt64, after before: Hash128) {
        if offset - marks[marks.count - 1].offset >= SparseIndex.spacingBytes {
            marks.append(Mark(index: index, offset: offset, before: before))
        }
    }

    /// The last mark whose record is not beyond `index`, which is in the segment or follows it.
    func mark(notBeyond index: LogIndex) -> Mark { marks[slot(notBeyond: index)] }

    /// Where the record `index` begins, interpolated between marks. `next` is the index after the
    /// segment's last record, and `end` where that record ends.
    func estimatedOffset(of index: LogIndex, next: LogIndex, end: UInt64) -> UInt64 {
        let slot = slot(notBeyond: index)
        let mark = marks[slot]
        let (upper, upperOffset) =
            slot + 1 < marks.count
            ? (marks[slot + 1].index, marks[slot + 1].offset) : (next, end)
        let span = upper.distance(past: mark.index)
        guard span > 0, index < upper else { return upperOffset }
        // No overflow: a segment of 2^30 bytes has at most 2^25 entries.
        return mark.offset + (upperOffset - mark.offset) * index.distance(past: mark.index) / span
    }

    private func slot(notBeyond index: LogIndex) -> Int {
        var low = 0
        var high = marks.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if marks[middle].index <= index { low = middle } else { high = middle }
        }
        return low
    }
}
