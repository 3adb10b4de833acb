import Log
import Platform

/// Keys that a flush or the removal of a namespace has ended: nobody can reach them any more, and
/// they still take space on disk.
struct DeadRange: Equatable, Sendable {
    let namespace: NamespaceID
    let from: [UInt8]
    let to: [UInt8]
    /// Of the entry that ended them.
    let index: LogIndex

    /// Nil when the range does not begin with a namespace's data.
    init?(from: [UInt8], to: [UInt8], endedBy index: LogIndex) {
        var reader = ByteReader(from)
        guard reader.skip(1), let id: UInt32 = reader.big() else { return nil }
        namespace = NamespaceID(rawValue: id)
        self.from = from
        self.to = to
        self.index = index
    }
}

/// What is still to be given back to the disk. A namespace's newest range holds its older ones.
struct DeadRanges: Sendable {
    private var byNamespace: [NamespaceID: DeadRange] = [:]

    /// Of more namespaces than this, RocksDB's own compactions give the space back, some day.
    static let countMax = 10_000

    var all: [DeadRange] { Array(byNamespace.values) }

    func has(_ namespace: NamespaceID) -> Bool { byNamespace[namespace] != nil }

    mutating func add(_ range: DeadRange) {
        guard byNamespace.count < DeadRanges.countMax || byNamespace[range.namespace] != nil else {
            return
        }
        byNamespace[range.namespace] = range
    }

    /// Unless a newer range of the namespace has come meanwhile.
    mutating func remove(_ range: DeadRange) {
        if byNamespace[range.namespace] == range { byNamespace[range.namespace] = nil }
    }
}
