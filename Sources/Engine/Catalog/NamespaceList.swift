public import Platform

/// By what a list of namespaces is sorted. The raw values are the words of the API.
public enum NamespaceOrder: String, CaseIterable, Sendable {
    case name, id, keys, bytes
    case readsPerSecond = "reads_per_second"
    case writesPerSecond = "writes_per_second"
    case lastWriteAt = "last_write_at"

    /// What a namespace is sorted by, before its name; never written to comes before all times.
    func rank(of namespace: Namespace, at now: MonotonicTime) -> UInt64 {
        switch self {
        case .name: 0
        case .id: UInt64(namespace.record.id.rawValue)
        case .keys: namespace.currentUsage.keys
        case .bytes: namespace.currentUsage.bytes
        case .readsPerSecond: NamespaceOrder.milli(namespace.traffic.readsPerSecond(at: now))
        case .writesPerSecond: NamespaceOrder.milli(namespace.traffic.writesPerSecond(at: now))
        case .lastWriteAt: namespace.lastWriteAt?.rawValue ?? 0
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
    /// The last namespace of the page before.
    public var after: Place?
    public var countMax: Int

    /// Where a namespace stood in the list when it was shown.
    public struct Place: Equatable, Sendable {
        public var rank: UInt64
        public var name: String

        public init(rank: UInt64, name: String) {
            self.rank = rank
            self.name = name
        }
    }

    public init(
        order: NamespaceOrder = .name, isDescending: Bool = false, prefix: String = "",
        after: Place? = nil, countMax: Int
    ) {
        self.order = order
        self.isDescending = isDescending
        self.prefix = prefix
        self.after = after
        self.countMax = countMax
    }

    /// Whether it takes a look at every namespace.
    public var looksAtAll: Bool {
        switch order {
        case .name, .id: isDescending
        case .keys, .bytes, .readsPerSecond, .writesPerSecond, .lastWriteAt: true
        }
    }

    /// Of equal rank, names rise; but falling names fall.
    func precedes(_ a: Place, _ b: Place) -> Bool {
        if a.rank != b.rank { return isDescending ? a.rank > b.rank : a.rank < b.rank }
        return order == .name && isDescending ? a.name > b.name : a.name < b.name
    }
}

extension Catalog {
    public typealias ListedNamespace = (namespace: Namespace, place: NamespaceListing.Place)

    /// Namespaces by the bytes of their names, from after `name` on, that begin with `prefix`.
    public func namespaces(after name: String?, prefix: String, countMax: Int) -> [Namespace] {
        let after = name.map { NamespaceListing.Place(rank: 0, name: $0) }
        return namespaces(NamespaceListing(prefix: prefix, after: after, countMax: countMax))
            .map(\.namespace)
    }

    /// One page. What changes between two pages may be seen twice, or not; by name or id those that
    /// keep theirs are seen once.
    public func namespaces(
        _ listing: NamespaceListing, at now: MonotonicTime = .now()
    ) -> [ListedNamespace] {
        if listing.looksAtAll { return ranked(listing, now) }
        if listing.order == .id { return listedByID(listing) }
        var found: [ListedNamespace] = []
        let first = max(listing.after?.name ?? "", listing.prefix)
        let isAfter = first == listing.after?.name
        for namespace in namespacesByName(
            from: NamespaceName(place: first), including: !isAfter)
        {
            let name = namespace.record.name.rawValue
            guard found.count < listing.countMax, name.utf8.starts(with: listing.prefix.utf8)
            else { break }
            found.append((namespace, NamespaceListing.Place(rank: 0, name: name)))
        }
        return found
    }

    private func listedByID(_ listing: NamespaceListing) -> [ListedNamespace] {
        let last = listing.after.map {
            NamespaceID(rawValue: UInt32(truncatingIfNeeded: min($0.rank, UInt64(UInt32.max))))
        }
        var found: [ListedNamespace] = []
        for namespace in namespacesByID(after: last) {
            let record = namespace.record
            guard record.name.rawValue.utf8.starts(with: listing.prefix.utf8) else { continue }
            guard found.count < listing.countMax else { break }
            let place = NamespaceListing.Place(
                rank: UInt64(record.id.rawValue), name: record.name.rawValue)
            found.append((namespace, place))
        }
        return found
    }

    /// Looks at all, and keeps twice what is asked for before it sorts: most are turned away by a
    /// comparison of two numbers.
    private func ranked(_ listing: NamespaceListing, _ now: MonotonicTime) -> [ListedNamespace] {
        guard listing.countMax > 0 else { return [] }
        let isDescending = listing.isDescending
        var found: [(place: NamespaceListing.Place, id: NamespaceID)] = []
        var last: NamespaceListing.Place?
        var lastRank = isDescending ? UInt64.min : UInt64.max
        func cut() {
            found.sort { listing.precedes($0.place, $1.place) }
            guard found.count >= listing.countMax else { return }
            found.removeSubrange(listing.countMax...)
            last = found.last?.place
            lastRank = last?.rank ?? lastRank
        }
        namespaces.forEachValue { namespace in
            let rank = listing.order.rank(of: namespace, at: now)
            if isDescending ? rank < lastRank : rank > lastRank { return }
            let place = NamespaceListing.Place(rank: rank, name: namespace.record.name.rawValue)
            if rank == lastRank, let last, !listing.precedes(place, last) { return }
            if let after = listing.after, !listing.precedes(after, place) { return }
            guard
                listing.prefix.isEmpty || place.name.utf8.starts(with: listing.prefix.utf8)
            else { return }
            found.append((place, namespace.record.id))
            if found.count >= 2 * listing.countMax { cut() }
        }
        cut()
        return found.compactMap { found in
            namespaces[found.id].map { (namespace: $0, place: found.place) }
        }
    }
}
