/// A map in order of its keys, of which many versions live at once: a change to a copy copies one
/// chunk of entries and the list of chunks, and shares the rest.
///
/// With 100,000 entries that is about a thousand references and a hundred entries. A dictionary would
/// be copied whole by the first change after each version that a reader may still hold.
///
/// Invariants
///  1. Keys rise strictly, within each chunk and from one chunk to the next.
///  2. No chunk is empty, and none has more than ``chunkMax`` entries.
///  3. `count` is the number of all entries.
public struct SortedTable<Key: Comparable & Sendable, Value: Sendable>: Sendable, Sequence {
    public typealias Element = (key: Key, value: Value)

    private struct Entry: Sendable {
        let key: Key
        var value: Value
    }

    private var chunks: [[Entry]] = []
    public private(set) var count = 0

    private static var chunkMax: Int { 128 }
    /// Two neighbours that have no more than this between them become one.
    private static var joinedMax: Int { 64 }

    public init() {}

    public var isEmpty: Bool { count == 0 }

    public subscript(key: Key) -> Value? {
        get {
            let chunk = self.chunk(of: key)
            guard chunk < chunks.count else { return nil }
            let place = Self.place(of: key, in: chunks[chunk])
            guard place < chunks[chunk].count, chunks[chunk][place].key == key else { return nil }
            return chunks[chunk][place].value
        }
        set {
            if let newValue { put(key, newValue) } else { remove(key) }
        }
    }

    public var keys: some Sequence<Key> { lazy.map { $0.key } }

    public var values: some Sequence<Value> { lazy.map { $0.value } }

    public func makeIterator() -> AnyIterator<Element> { iterator(from: (0, 0)) }

    /// All of them in order, without the cost of an iterator.
    func forEach(_ body: (Key, Value) -> Void) {
        for chunk in chunks {
            for place in chunk.indices { body(chunk[place].key, chunk[place].value) }
        }
    }

    /// About how many keys there are from `first` up to below `end`: a chunk more or less.
    func estimate(from first: Key, to end: Key) -> Int {
        let (first, end) = (chunk(of: first), chunk(of: end))
        guard first <= end else { return 0 }
        return chunks[first..<end].reduce(0) { $0 + $1.count }
            + (end < chunks.count ? chunks[end].count : 0)
    }

    /// Entries from the first on whose key is above `key`, or with `including` not below it.
    func entries(from key: Key, including: Bool) -> AnyIterator<Element> {
        let chunk = self.chunk(of: key)
        var place = 0
        if chunk < chunks.count {
            place = Self.place(of: key, in: chunks[chunk])
            if !including, place < chunks[chunk].count, chunks[chunk][place].key == key {
                place += 1
            }
        }
        return iterator(from: (chunk, place))
    }

    /// Entries in falling order, from the last on whose key is below `key`, or the last of all.
    func entriesBackwards(before key: Key?) -> AnyIterator<Element> {
        var chunk = key.map { self.chunk(of: $0) } ?? chunks.count
        var place = 0
        if let key, chunk < chunks.count { place = Self.place(of: key, in: chunks[chunk]) }
        return AnyIterator {
            if place == 0 {
                guard chunk > 0 else { return nil }
                chunk -= 1
                place = chunks[chunk].count
            }
            place -= 1
            let entry = chunks[chunk][place]
            return (entry.key, entry.value)
        }
    }

    // MARK: - Places

    /// The first chunk whose last key is not below `key`: where `key` is, if it is anywhere.
    private func chunk(of key: Key) -> Int {
        var (low, high) = (0, chunks.count)
        while low < high {
            let middle = (low + high) / 2
            // Not `last`, which would copy the value, too.
            if chunks[middle][chunks[middle].count - 1].key < key {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// The first place in a chunk whose key is not below `key`.
    private static func place(of key: Key, in chunk: [Entry]) -> Int {
        var (low, high) = (0, chunk.count)
        while low < high {
            let middle = (low + high) / 2
            if chunk[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func iterator(from start: (chunk: Int, place: Int)) -> AnyIterator<Element> {
        var (chunk, place) = start
        return AnyIterator {
            while chunk < chunks.count {
                if place < chunks[chunk].count {
                    defer { place += 1 }
                    let entry = chunks[chunk][place]
                    return (entry.key, entry.value)
                }
                chunk += 1
                place = 0
            }
            return nil
        }
    }

    // MARK: - Changing

    private mutating func put(_ key: Key, _ value: Value) {
        // Most come in order: those of a database that is read, and ids that are given.
        guard let last = chunks.last?.count, !(chunks[chunks.count - 1][last - 1].key < key) else {
            return append(Entry(key: key, value: value))
        }
        let chunk = self.chunk(of: key)
        let place = Self.place(of: key, in: chunks[chunk])
        if chunks[chunk][place].key == key {
            chunks[chunk][place].value = value
            return
        }
        chunks[chunk].insert(Entry(key: key, value: value), at: place)
        count += 1
        guard chunks[chunk].count > Self.chunkMax else { return }
        let half = chunks[chunk].count / 2
        let upper = Array(chunks[chunk][half...])
        chunks[chunk].removeSubrange(half...)
        chunks.insert(upper, at: chunk + 1)
    }

    /// Keys that come in order fill chunks to the brim.
    private mutating func append(_ entry: Entry) {
        count += 1
        if let last = chunks.indices.last, chunks[last].count < Self.chunkMax {
            chunks[last].append(entry)
        } else {
            chunks.append([entry])
        }
    }

    private mutating func remove(_ key: Key) {
        let chunk = self.chunk(of: key)
        guard chunk < chunks.count else { return }
        let place = Self.place(of: key, in: chunks[chunk])
        guard chunks[chunk][place].key == key else { return }
        chunks[chunk].remove(at: place)
        count -= 1
        if chunks[chunk].isEmpty {
            chunks.remove(at: chunk)
        } else {
            join(chunk - 1)
            join(chunk)
        }
    }

    /// Makes one of a chunk and the next, when both are small.
    private mutating func join(_ chunk: Int) {
        guard chunks.indices.contains(chunk), chunks.indices.contains(chunk + 1),
            chunks[chunk].count + chunks[chunk + 1].count <= Self.joinedMax
        else { return }
        chunks[chunk] += chunks[chunk + 1]
        chunks.remove(at: chunk + 1)
    }
}

extension SortedTable: Equatable where Value: Equatable {
    public static func == (a: SortedTable, b: SortedTable) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    }
}
