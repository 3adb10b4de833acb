import Platform
import Testing

@testable import Engine

@Suite struct NamespaceDigestTests {
    private func catalog(_ names: [(id: UInt32, name: String)]) throws -> Catalog {
        var catalog = Catalog()
        for (id, name) in names {
            let record = NamespaceRecord(
                id: NamespaceID(rawValue: id),
                name: try #require(NamespaceName(rawValue: name)),
                createdAt: UnixMilliseconds(rawValue: 1))
            try catalog.apply(
                key: [KeyPrefix.catalog, CatalogKind.namespace.rawValue] + record.id.encoded,
                value: record.encoded())
        }
        return catalog
    }

    @Test func `equal catalogs have equal sums, and what differs is in the parts that do not`()
        throws
    {
        let own = try catalog((1...1_000).map { ($0, "n\($0)") })
        #expect(
            own.namespaceSums() == (try catalog((1...1_000).map { ($0, "n\($0)") })).namespaceSums()
        )
        let other = try catalog(
            (1...1_001).filter { $0 != 7 }.map { ($0, $0 == 500 ? "renamed" : "n\($0)") })
        let (sums, others) = (own.namespaceSums(), other.namespaceSums())
        let parts = sums.indices.filter { sums[$0] != others[$0] }
        #expect(parts == [7, 1_001 % 256, 500 % 256].sorted())
        let found = parts.flatMap {
            NamespaceDifference.between(
                own.namespaceDigests(of: $0), other.namespaceDigests(of: $0))
        }
        #expect(
            found.sorted { $0.name < $1.name } == [
                .init(name: "n1001", kind: .missing), .init(name: "n7", kind: .extra),
                .init(name: "renamed", kind: .differs),
            ])
    }
}
