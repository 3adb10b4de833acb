public import Platform

/// By what a list of namespaces is sorted. The raw values are the words of the API.
public enum NamespaceOrder: String, CaseIterable, Sendable {
    case name, id, keys, bytes
    case readsPerSecond = "reads_per_second"
    case writesPerSecond = "writes_per_second"
    case lastWriteAt = "last_write_at"

    /// What a namespace is sorted by, before its id; never written to comes before all times.
    func rank(_ id: NamespaceID, _ usage: NamespaceUsage, at now: MonotonicTime) -> UInt64 {
        switch self {
        case .name: 0
        case .id: UInt64(id.rawValue)
        case .keys: usage.keys
        case .bytes: usage.bytes
        case .readsPerSecond: NamespaceOrder.milli(usage.traffic.readsPerSecond(at: now))
        case .writesPerSecond: NamespaceOrder.milli(usage.traffic.writesPerSecond(at: now))
        case .lastWriteAt: usage.lastWrite
        }
    }

    private static func milli(_ rate: Double) -> UInt64 { UInt64(max(0, rate * 1_000).rounded()) }
}

/// A page of the list of namespaces.
public struct NamespaceListing: Sendable {
    public var order: NamespaceOrder
    public var isDescending: Bool
    /// What the names begin with.
    public var prefix: String
    /// Only those that are in trouble.
    public var isInTrouble: Bool
    /// The last namespace of the page before.
    public var after: Place?
    public var countMax: Int

    /// Where a namespace stood in the list when it was shown.
    public enum Place: Equatable, Sendable {
        case named(String)
        /// In any order but that of names. Of equal rank, ids rise.
        case ranked(UInt64, NamespaceID)
    }

    public init(
        order: NamespaceOrder = .name, isDescending: Bool = false, prefix: String = "",
        isInTrouble: Bool = false, after: Place? = nil, countMax: Int
    ) {
        self.order = order
        self.isDescending = isDescending
        self.prefix = prefix
        self.isInTrouble = isInTrouble
        self.after = after
        self.countMax = countMax
    }

    /// Whether it may take a look at every namespace: a few milliseconds, when they are a hundred thousand.
    public var looksAtAll: Bool {
        switch order {
        case .name: isInTrouble
        case .id: isInTrouble || !prefix.isEmpty
        case .keys, .bytes, .readsPerSecond, .writesPerSecond, .lastWriteAt: true
        }
    }

    fileprivate func admits(_ name: NamespaceName) -> Bool {
        prefix.isEmpty || name.rawValue.utf8.starts(with: prefix.utf8)
    }
}

extension Catalog {
    public typealias ListedNamespace = (namespace: Namespace, place: NamespaceListing.Place)

    /// Namespaces by the bytes of their names, from after `name` on, that begin with `prefix`.
    public func namespaces(after name: String?, prefix: String, countMax: Int) -> [Namespace] {
        let after = name.map { NamespaceListing.Place.named($0) }
        return namespaces(NamespaceListing(prefix: prefix, after: after, countMax: countMax))
            .map(\.namespace)
    }

    /// How many namespaces are in each of these troubles; how many of them are in none of those before it,
    /// and the first of those. Looks at the counters of all.
    public func namespaces(
        in troubles: [NamespaceTrouble], countMax: Int
    ) -> (counts: [Int], worst: [Int], first: [Namespace]) {
        var counts = troubles.map { _ in 0 }
        var worst = counts
        var found = troubles.map { _ in [NamespaceID]() }
        counters.forEach { id, usage in
            let trouble = usage.trouble
            if trouble.isEmpty { return }
            var isFound = false
            for place in troubles.indices where !trouble.isDisjoint(with: troubles[place]) {
                counts[place] += 1
                if isFound { continue }
                isFound = true
                worst[place] += 1
                if found[place].count < countMax { found[place].append(id) }
            }
        }
        return (counts, worst, found.joined().prefix(countMax).compactMap { namespaces[$0] })
    }

    /// One page. What changes between two pages may be seen twice, or not; by name or id those that
    /// keep theirs are seen once.
    public func namespaces(
        _ listing: NamespaceListing, at now: MonotonicTime = .now()
    ) -> [ListedNamespace] {
        guard listing.countMax > 0 else { return [] }
        if let sparse = sparse(listing) { return sorted(sparse, listing, now) }
        if listing.order == .name { return walkedNames(listing) }
        if listing.order == .id { return walkedIDs(listing) }
        return ranked(listing, now)
    }

    // MARK: - Which way

    /// A part of all namespaces that is worth finding before anything is sorted.
    private static let sparsePart = 4

    /// Those that a page can have, when there are few of them; nil: most namespaces are of this kind, or
    /// the order finds them by itself.
    private func sparse(_ listing: NamespaceListing) -> [NamespaceID]? {
        let most = namespaceCount / Catalog.sparsePart
        if listing.isInTrouble {
            var found: [NamespaceID] = []
            counters.forEach { id, usage in
                if found.count <= most, !usage.trouble.isEmpty { found.append(id) }
            }
            if found.count <= most { return found }
        }
        guard !listing.prefix.isEmpty, listing.order != .name else { return nil }
        let first = NamespaceName(place: listing.prefix)
        let end = NamespaceName(place: Catalog.end(of: listing.prefix))
        guard names.estimate(from: first, to: end) <= most else { return nil }
        return names.entries(from: first, including: true).prefix { $0.key < end }.map(\.value)
    }

    /// Above every name that begins with `prefix`: no name has a byte as high as this one.
    private static func end(of prefix: String) -> String { prefix + "\u{7F}" }

    // MARK: - Along a table

    private func walkedNames(_ listing: NamespaceListing) -> [ListedNamespace] {
        var after: String?
        if case .named(let name) = listing.after { after = name }
        let walk: AnyIterator<(key: NamespaceName, value: NamespaceID)>
        if listing.isDescending {
            let end = listing.prefix.isEmpty ? nil : Catalog.end(of: listing.prefix)
            let first = [after, end].compactMap { $0 }.min()
            walk = names.entriesBackwards(before: first.map { NamespaceName(place: $0) })
        } else {
            let first = max(after ?? "", listing.prefix)
            walk = names.entries(from: NamespaceName(place: first), including: first != after)
        }
        var found: [ListedNamespace] = []
        for (name, id) in walk {
            guard found.count < listing.countMax, listing.admits(name) else { break }
            guard let namespace = namespaces[id],
                !listing.isInTrouble || !namespace.trouble.isEmpty
            else { continue }
            found.append((namespace, .named(name.rawValue)))
        }
        return found
    }

    private func walkedIDs(_ listing: NamespaceListing) -> [ListedNamespace] {
        var last: NamespaceID?
        if case .ranked(_, let id) = listing.after { last = id }
        let walk =
            if listing.isDescending {
                namespaces.entriesBackwards(before: last)
            } else {
                last.map { namespaces.entries(from: $0, including: false) }
                    ?? namespaces.makeIterator()
            }
        var found: [ListedNamespace] = []
        for (id, namespace) in walk {
            guard found.count < listing.countMax else { break }
            guard listing.admits(namespace.record.name),
                !listing.isInTrouble || !namespace.trouble.isEmpty
            else { continue }
            found.append((namespace, .ranked(UInt64(id.rawValue), id)))
        }
        return found
    }

    // MARK: - By rank

    /// A few are sorted whole.
    private func sorted(
        _ ids: [NamespaceID], _ listing: NamespaceListing, _ now: MonotonicTime
    ) -> [ListedNamespace] {
        guard listing.order == .name else {
            var best = BestRanks(listing)
            for id in ids {
                guard let namespace = namespaces[id], listing.admits(namespace.record.name),
                    !listing.isInTrouble || !namespace.trouble.isEmpty
                else { continue }
                best.add(listing.order.rank(id, namespace.usage, at: now), id)
            }
            return listed(best)
        }
        var after: String?
        if case .named(let name) = listing.after { after = name }
        let isDescending = listing.isDescending
        let found = ids.compactMap { id -> ListedNamespace? in
            guard let namespace = namespaces[id], listing.admits(namespace.record.name)
            else { return nil }
            let name = namespace.record.name.rawValue
            if let after, isDescending ? name >= after : name <= after { return nil }
            return (namespace, .named(name))
        }
        return Array(
            found.sorted {
                let (a, b) = ($0.namespace.record.name, $1.namespace.record.name)
                return isDescending ? a > b : a < b
            }
            .prefix(listing.countMax))
    }

    /// Looks at the counters of all: most are turned away by a comparison of two numbers.
    private func ranked(_ listing: NamespaceListing, _ now: MonotonicTime) -> [ListedNamespace] {
        var best = BestRanks(listing)
        counters.forEach { id, usage in
            if listing.isInTrouble, usage.trouble.isEmpty { return }
            let rank = listing.order.rank(id, usage, at: now)
            guard best.wants(rank, id) else { return }
            if !listing.prefix.isEmpty {
                guard let name = namespaces[id]?.record.name, listing.admits(name) else { return }
            }
            best.add(rank, id)
        }
        return listed(best)
    }

    private func listed(_ best: BestRanks) -> [ListedNamespace] {
        best.sorted.compactMap { rank, id in
            namespaces[id].map { (namespace: $0, place: .ranked(rank, id)) }
        }
    }
}

/// The first of a list by rank, found among any number that come in any order.
private struct BestRanks {
    private struct Entry: Comparable {
        /// The rank, or what is left of the highest one when ranks fall: the least comes first.
        let key: UInt64
        let id: UInt32

        static func < (a: Entry, b: Entry) -> Bool { (a.key, a.id) < (b.key, b.id) }
    }

    private let flip: UInt64
    private let countMax: Int
    /// So many are gathered before the worse ones are dropped.
    private let gatheredMax: Int
    private let after: Entry?
    private var found: [Entry] = []
    /// None that does not come before it is wanted.
    private var bound: Entry?

    private static let gatheredMin = 2_000

    init(_ listing: NamespaceListing) {
        flip = listing.isDescending ? .max : 0
        countMax = listing.countMax
        gatheredMax = max(2 * listing.countMax, BestRanks.gatheredMin)
        if case .ranked(let rank, let id) = listing.after {
            after = Entry(key: rank ^ flip, id: id.rawValue)
        } else {
            after = nil
        }
    }

    func wants(_ rank: UInt64, _ id: NamespaceID) -> Bool {
        let entry = Entry(key: rank ^ flip, id: id.rawValue)
        if let bound, !(entry < bound) { return false }
        if let after, !(after < entry) { return false }
        return true
    }

    mutating func add(_ rank: UInt64, _ id: NamespaceID) {
        guard wants(rank, id) else { return }
        found.append(Entry(key: rank ^ flip, id: id.rawValue))
        if found.count >= gatheredMax { cut() }
    }

    private mutating func cut() {
        found.sort()
        guard found.count > countMax else { return }
        found.removeSubrange(countMax...)
        bound = found.last
    }

    var sorted: [(rank: UInt64, id: NamespaceID)] {
        var whole = self
        whole.cut()
        return whole.found.map { ($0.key ^ flip, NamespaceID(rawValue: $0.id)) }
    }
}
