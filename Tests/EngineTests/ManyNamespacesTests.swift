import Engine
import Foundation
import Log
import Platform
import Testing

@Suite(.serialized) struct ManyNamespacesTests {
    /// Memory of this process, in bytes.
    private func resident() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return (Int(text.split(separator: " ")[1]) ?? 0) * 4_096
    }

    @discardableResult
    private func measure<Result>(_ what: String, _ body: () throws -> Result) rethrows -> Result {
        let start = MonotonicTime.now()
        defer {
            let seconds = (MonotonicTime.now() - start).inSeconds
            if isFull || isBench { print("\(what): \(Int(seconds * 1_000_000)) us") }
        }
        return try body()
    }

    @Test(arguments: isFull || isBench ? [2_000, 100_000] : [2_000])
    func `many namespaces are made, listed, changed and loaded`(count: Int) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let before = try resident()
        try measure("\(count) namespaces made, 10,000 an entry") {
            for start in stride(from: 0, to: count, by: CreateNamespaces.countMax) {
                let seeds = try (start..<min(count, start + CreateNamespaces.countMax)).map {
                    number in
                    // Names that do not come in order.
                    let name =
                        "tenant-\(String(UInt64(number) &* 0x9E37_79B9 % 0xFFFF_FFFF, radix: 36))-\(number)"
                    return NamespaceSeed(
                        name: try #require(NamespaceName(rawValue: name)),
                        token: TokenSeed(
                            lookupID: "token\(number)", algorithm: "sha256",
                            hash: [UInt8](repeating: UInt8(number % 256), count: 32)))
                }
                try committer.done(CreateNamespaces(seeds))
            }
        }
        if isFull || isBench {
            print("\(count) namespaces take \((try resident() - before) / 1_000_000) MB")
        }
        let catalog = engine.state.catalog
        #expect(catalog.namespaceCount == count + 1)
        #expect(catalog.tokens.count == count)
        let page = measure("a page of 1,000") {
            catalog.namespaces(after: "tenant-7", prefix: "tenant-", countMax: 1_000)
        }
        #expect(page.map(\.record.name) == page.map(\.record.name).sorted())
        let name = try #require(page.first?.record.name)
        try committer.put(name, "k", "v")
        try measure("one made more") { try committer.create("one-more") }
        try measure("one flushed") { try committer.done(FlushNamespace(name: name)) }
        try measure("one deleted") { try committer.done(DeleteNamespace(name: name)) }
        try measure("one written to") { try committer.put("one-more", "k", "v") }
        try engine.flush()
        committer.stop(until: soon)

        let copy = try directory.copy(of: engine)
        let (loaded, _) = try measure("\(count) namespaces loaded") { try Engine.reopen(copy) }
        #expect(loaded.state.header == engine.state.header)
        #expect(loaded.state.catalog.namespaceCount == count + 1)
        let names = loaded.state.catalog.namespaces(after: nil, prefix: "", countMax: count + 1)
        #expect(
            names.map(\.record)
                == engine.state.catalog.namespaces(after: nil, prefix: "", countMax: count + 1)
                .map(\.record))
    }
}
