import Foundation
import Platform
import Testing

@testable import Engine

@Suite struct NamespaceListTests {
    private func pages(
        _ engine: Engine, _ order: NamespaceOrder, isDescending: Bool = false, prefix: String = "",
        isInTrouble: Bool = false, size: Int, between: () throws -> Void = {}
    ) throws -> [Namespace] {
        var listing = NamespaceListing(
            order: order, isDescending: isDescending, prefix: prefix,
            isInTrouble: isInTrouble, countMax: size)
        var found: [Namespace] = []
        while true {
            let page = engine.state.catalog.namespaces(listing)
            found += page.map(\.namespace)
            if page.count < size { return found }
            listing.after = page.last?.place
            try between()
        }
    }

    @Test func `a list is sorted by any of the figures, both ways, in pages of any size`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        var random = SplitMix64(seed: 3)
        for number in 0..<40 {
            let name = try #require(NamespaceName(rawValue: "t\(random.next() % 1_000)-\(number)"))
            try committer.create(name)
            for key in 0..<Int.random(in: 0...4, using: &random) {
                try committer.put(name, "k\(key)", String(repeating: "v", count: number % 3))
            }
            let namespace = try engine.namespace(name)
            for _ in 0..<(number % 5) { namespace.traffic.countRead(at: .now()) }
            for _ in 0..<(number % 4) { namespace.traffic.countWrite(at: .now()) }
        }
        let all = engine.state.catalog.namespaces.values.map { $0 }
        // Rates fade from one page to the next: what they are compared by stands still.
        func value(_ namespace: Namespace, _ order: NamespaceOrder) -> UInt64 {
            switch order {
            case .readsPerSecond:
                UInt64(namespace.traffic.readsPerSecond(at: .now()).rounded(.up) * 10)
            case .writesPerSecond:
                UInt64(namespace.traffic.writesPerSecond(at: .now()).rounded(.up) * 10)
            case .name, .id, .keys, .bytes, .lastWriteAt:
                order.rank(namespace.record.id, namespace.usage, at: .now())
            }
        }
        for order in NamespaceOrder.allCases {
            for isDescending in [false, true] {
                let isRate = [.readsPerSecond, .writesPerSecond].contains(order)
                for size in isRate ? [all.count + 1] : [1, 7, 100] {
                    let found = try pages(engine, order, isDescending: isDescending, size: size)
                    #expect(Set(found.map(\.record.id)) == Set(all.map(\.record.id)))
                    #expect(found.count == all.count)
                    for (a, b) in zip(found, found.dropFirst()) {
                        let (x, y) = (value(a, order), value(b, order))
                        #expect(isDescending ? x >= y : x <= y, "\(order)")
                        guard x == y, !isRate else { continue }
                        guard order == .name else {
                            #expect(a.record.id < b.record.id)
                            continue
                        }
                        let (first, next) = (a.record.name, b.record.name)
                        #expect(isDescending ? first > next : first < next)
                    }
                }
            }
        }
        let some = try pages(engine, .bytes, isDescending: true, prefix: "t1", size: 2)
        #expect(
            Set(some.map(\.record.name))
                == Set(all.map(\.record.name).filter { $0.rawValue.hasPrefix("t1") }))
        committer.stop(until: soon)
    }

    /// Few and many that match: the ways to find them differ.
    @Test(arguments: ["t", "t1", "t10", "nobody"])
    func `a prefix and trouble narrow each order to the same namespaces`(prefix: String) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        for number in 0..<60 {
            let name = try #require(NamespaceName(rawValue: "t\(number * 7 % 60)"))
            try committer.done(
                CreateNamespaces([
                    NamespaceSeed(name: name, quotaKeys: number.isMultiple(of: 9) ? 1 : nil)
                ]))
            for key in 0..<(number % 4) where key == 0 || !number.isMultiple(of: 9) {
                try committer.put(name, "k\(key)", "v")
            }
        }
        try committer.done(DeleteNamespace(name: "t7"))
        let all = engine.state.catalog.namespaces.values.filter {
            $0.record.name.rawValue.hasPrefix(prefix)
        }
        let troubled = all.filter { $0.trouble == .quotaKeysUsedUp }
        for order in NamespaceOrder.allCases {
            for isDescending in [false, true] {
                for size in [1, 3, 100] {
                    let found = try pages(
                        engine, order, isDescending: isDescending, prefix: prefix, size: size)
                    #expect(found.count == all.count)
                    #expect(Set(found.map(\.record.id)) == Set(all.map(\.record.id)))
                    let inTrouble = try pages(
                        engine, order, isDescending: isDescending, prefix: prefix,
                        isInTrouble: true, size: size)
                    #expect(inTrouble.count == troubled.count)
                    #expect(Set(inTrouble.map(\.record.id)) == Set(troubled.map(\.record.id)))
                    let ranks = inTrouble.map { order.rank($0.record.id, $0.usage, at: .now()) }
                    #expect(ranks == ranks.sorted { isDescending ? $0 > $1 : $0 < $1 })
                }
            }
        }
        committer.stop(until: soon)
    }

    @Test func `the best of many are found in whatever order their ranks come`() throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        let seeds = (0..<5_000).compactMap { NamespaceName(rawValue: "n\($0)") }
            .map { NamespaceSeed(name: $0) }
        try committer.done(CreateNamespaces(seeds))
        let ids = engine.state.catalog.namespaces.keys.map { $0 }
        for (place, id) in ids.enumerated() {
            let namespace = try #require(engine.state.catalog.namespace(id))
            // Rising, falling and equal ones.
            let keys = place < 2_000 ? place : place < 4_000 ? 6_000 - place : 7
            namespace.usage.set(Usage(keys: UInt64(keys), bytes: 0), lastWriteAt: nil)
        }
        func key(_ id: NamespaceID) -> UInt64 {
            engine.state.catalog.namespace(id)?.currentUsage.keys ?? 0
        }
        for isDescending in [false, true] {
            let sorted = ids.sorted {
                let (a, b) = (key($0), key($1))
                return a != b ? (isDescending ? a > b : a < b) : $0 < $1
            }
            let found = try pages(engine, .keys, isDescending: isDescending, size: 700)
            #expect(found.map(\.record.id) == sorted)
        }
        committer.stop(until: soon)
    }

    /// Whatever happens between two pages.
    @Test(arguments: UInt64(0)..<6)
    func `a walk shows each namespace that lives through it exactly once`(seed: UInt64) throws {
        let directory = try TestDirectory()
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        var random = SplitMix64(seed: seed)
        func name() throws -> NamespaceName {
            try #require(NamespaceName(rawValue: "n\(random.next() % 1_000_000)"))
        }
        var living: [NamespaceID: NamespaceName] = [:]
        func create() throws {
            let name = try name()
            if engine.state.catalog.namespace(named: name) != nil { return }
            try committer.create(name)
            living[try engine.namespace(name).record.id] = name
        }
        for _ in 0..<300 { try create() }
        for order in [NamespaceOrder.id, .name] {
            var whole = living
            let found = try pages(engine, order, prefix: "n", size: 7) {
                for _ in 0..<3 {
                    guard let (id, old) = living.randomElement(using: &random) else { continue }
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0:
                        try create()
                    case 1:
                        try committer.done(DeleteNamespace(name: old))
                        living[id] = nil
                        whole[id] = nil
                    default:
                        let new = try name()
                        guard engine.state.catalog.namespace(named: new) == nil else { continue }
                        var rename = UpdateNamespace(name: old)
                        rename.newName = .set(new)
                        try committer.done(rename)
                        living[id] = new
                        // By name a place is kept only by who keeps its name.
                        if order == .name { whole[id] = nil }
                    }
                }
            }
            var seen: [NamespaceID: Int] = [:]
            for namespace in found { seen[namespace.record.id, default: 0] += 1 }
            #expect(whole.count > 100)
            for id in whole.keys { #expect(seen[id] == 1, "by \(order)") }
        }
        committer.stop(until: soon)
    }

    @Test func `the last write is known after a restart, and what expires is none`() throws {
        let directory = try TestDirectory()
        let clock = TestClock()
        var options = EngineOptions.test()
        options.wallClock = { clock.now }
        let (engine, committer) = try Engine.found(in: directory.incarnation, options: options)
        try committer.create("a")
        #expect(try engine.namespace("a").lastWriteAt == nil)
        let write = KeyWrite.put(key: bytes("k"), value: bytes("v"), lifetime: .seconds(10))
        try committer.done(WriteKeys(namespace: "a", writes: [write]))
        let at = try #require(try engine.namespace("a").lastWriteAt)
        #expect(at == engine.state.header.time)
        clock.move(by: 100)
        try committer.done(Barrier())
        #expect(
            try committer.done(ExpireKeys(try engine.dueLines(ExpiryCursor(), countMax: 9))) == 1)
        #expect(try engine.namespace("a").currentUsage == Usage())
        #expect(try engine.namespace("a").lastWriteAt == at, "an expiry is no write")
        // Nor is a delete of what is not there.
        try committer.done(WriteKeys(namespace: "a", writes: [.delete(key: bytes("k"))]))
        #expect(try engine.namespace("a").lastWriteAt == at)

        // From the log alone, and from the state's files.
        let (replayed, _) = try Engine.reopen(try directory.copy(of: engine, "log"))
        #expect(try replayed.namespace("a").lastWriteAt == at)
        try engine.flush()
        let (loaded, _) = try Engine.reopen(try directory.copy(of: engine, "files"))
        #expect(try loaded.namespace("a").lastWriteAt == at)

        try committer.done(FlushNamespace(name: "a"))
        #expect(try engine.namespace("a").lastWriteAt == engine.state.header.time)
        committer.stop(until: soon)
    }
}
