public import Platform

/// Finding out which namespaces differ between two catalogs without telling all of them: first the sums of
/// the parts that ids fall into, then the namespaces of the parts whose sums differ.
extension Catalog {
    public static let digestParts = 256

    /// Of each part, the sum of the digests of its namespaces. Takes a tenth of a second for 100,000.
    public func namespaceSums() -> [Hash128] {
        var sums = [Hash128](repeating: .zero, count: Catalog.digestParts)
        namespaces.forEach { id, namespace in
            let part = Catalog.part(of: id)
            sums[part] = sums[part] &+ namespace.record.digest
        }
        return sums
    }

    /// The namespaces of a part, in order of their ids.
    public func namespaceDigests(of part: Int) -> [NamespaceDigest] {
        var found: [NamespaceDigest] = []
        namespaces.forEach { id, namespace in
            guard Catalog.part(of: id) == part else { return }
            found.append(
                NamespaceDigest(
                    id: id, name: namespace.record.name.rawValue, digest: namespace.record.digest))
        }
        return found
    }

    private static func part(of id: NamespaceID) -> Int { Int(id.rawValue) % digestParts }
}

/// A namespace as two nodes compare it: its record, not its data.
public struct NamespaceDigest: Equatable, Sendable {
    public var id: NamespaceID
    public var name: String
    public var digest: Hash128

    public init(id: NamespaceID, name: String, digest: Hash128) {
        self.id = id
        self.name = name
        self.digest = digest
    }
}

/// A namespace that two catalogs do not have alike.
public struct NamespaceDifference: Equatable, Sendable {
    /// The raw values are the words of the API.
    public enum Kind: String, Sendable {
        /// The other one has it.
        case missing
        /// The other one does not have it.
        case extra
        /// Both have it, with other names, quotas or states.
        case differs
    }

    public var name: String
    public var kind: Kind

    public init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }

    /// What `own` lacks, has too much or has otherwise, in order of the ids. Pure.
    public static func between(
        _ own: [NamespaceDigest], _ other: [NamespaceDigest]
    ) -> [NamespaceDifference] {
        let mine = Dictionary(own.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        let theirs = Dictionary(other.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        return Set(mine.keys).union(theirs.keys).sorted().compactMap { id in
            switch (mine[id], theirs[id]) {
            case (let a?, let b?): a.digest == b.digest ? nil : .init(name: b.name, kind: .differs)
            case (let a?, nil): .init(name: a.name, kind: .extra)
            case (nil, let b?): .init(name: b.name, kind: .missing)
            case (nil, nil): nil
            }
        }
    }
}

extension NamespaceRecord {
    /// Of its name, limits and state.
    fileprivate var digest: Hash128 { Hash128(of: id.encoded + encoded()) }
}
