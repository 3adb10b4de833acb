import Engine
import Log
import Testing

/// One change that a random run makes.
enum Step: Sendable {
    case write(WriteKeys)
    case create(NamespaceName, quotaKeys: UInt64?)
    case delete(NamespaceName)
    case flush(NamespaceName)
    case rename(NamespaceName, to: NamespaceName)
    case limit(NamespaceName, keys: UInt64?, bytes: UInt64?, isReadOnly: Bool)

    /// Any change on three namespaces and a handful of keys, so that they meet.
    static func random(_ random: inout SplitMix64, known versions: [ValueVersion]) -> Step {
        let names: [NamespaceName] = ["a", "b", "c"]
        let name = names.randomElement(using: &random) ?? "a"
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<80:
            return .write(randomWrite(name, &random, versions))
        case 80..<86:
            return .create(name, quotaKeys: Bool.random(using: &random) ? 12 : nil)
        case 86..<89:
            return .delete(name)
        case 89..<93:
            return .flush(name)
        case 93..<96:
            return .rename(name, to: names.randomElement(using: &random) ?? "b")
        default:
            return .limit(
                name, keys: Bool.random(using: &random) ? 6 : nil,
                bytes: Bool.random(using: &random) ? 200 : nil,
                isReadOnly: Int.random(in: 0..<6, using: &random) == 0)
        }
    }

    private static func randomWrite(
        _ name: NamespaceName, _ random: inout SplitMix64, _ versions: [ValueVersion]
    ) -> WriteKeys {
        func key() -> [UInt8] {
            [UInt8](repeating: 0xFF, count: Int.random(in: 1...12, using: &random))
        }
        var change = WriteKeys(namespace: name, writes: [])
        let isBatch = Int.random(in: 0..<4, using: &random) == 0
        for _ in 0..<(isBatch ? 4 : 1) {
            if Int.random(in: 0..<3, using: &random) == 0 {
                change.writes.append(.delete(key: key()))
            } else {
                let size = Int.random(in: 0...30, using: &random)
                change.writes.append(.put(key: key(), value: random.bytes(size)))
            }
        }
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            change.checks.append(KeyCheck(key: key(), expectation: .exists(true), operation: 0))
        case 1:
            change.checks.append(KeyCheck(key: key(), expectation: .exists(false), operation: 1))
        case 2:
            change.checks.append(
                KeyCheck(key: key(), expectation: .versions(versions), operation: 2))
        default:
            change.deletesMustHit = Int.random(in: 0..<8, using: &random) == 0
        }
        return change
    }

    func submit(to committer: Committer, _ done: @escaping @Sendable (Outcome) -> Void) {
        func submit<C: Change>(
            _ change: C, _ outcome: @escaping @Sendable (C.Answer) -> Outcome.What
        ) {
            committer.submit(change) { result in
                switch result {
                case .success(let committed):
                    done(Outcome(position: committed.position, what: outcome(committed.answer)))
                case .failure(.refused(let refusal)):
                    done(Outcome(position: .origin, what: .refused(refusal)))
                case .failure: break
                }
            }
        }
        switch self {
        case .write(let change): submit(change) { .wrote($0) }
        case .create(let name, let quota):
            submit(CreateNamespaces([NamespaceSeed(name: name, quotaKeys: quota)])) {
                .namespace($0.first?.id)
            }
        case .delete(let name): submit(DeleteNamespace(name: name)) { .namespace($0.id) }
        case .flush(let name): submit(FlushNamespace(name: name)) { .namespace($0.id) }
        case .rename(let name, let newName):
            var change = UpdateNamespace(name: name)
            change.newName = .set(newName)
            submit(change) { .namespace($0.id) }
        case .limit(let name, let keys, let size, let isReadOnly):
            var change = UpdateNamespace(name: name)
            change.quotaKeys = .set(keys)
            change.quotaBytes = .set(size)
            change.isReadOnly = .set(isReadOnly)
            submit(change) { .namespace($0.id) }
        }
    }
}

/// What the engine answered.
struct Outcome: Equatable, Sendable {
    enum What: Equatable, Sendable {
        case wrote([KeyWriteResult])
        case namespace(NamespaceID?)
        case refused(Refusal)
    }

    var position: Position
    var what: What
}

/// What the engine should hold, in dictionaries.
struct Model {
    struct Space {
        var id: NamespaceID
        var quotaKeys: UInt64?
        var quotaBytes: UInt64?
        var isReadOnly = false
        var values: [[UInt8]: StoredWrite] = [:]

        var usage: Usage {
            Usage(
                keys: UInt64(values.count),
                bytes: UInt64(values.reduce(0) { $0 + $1.key.count + $1.value.bytes.count }))
        }
    }

    struct StoredWrite: Equatable {
        var version: ValueVersion
        var bytes: [UInt8]
    }

    var spaces: [NamespaceName: Space] = [:]
    private var nextID: UInt32 = 2

    /// What the engine must answer to `step` at this place, and does it. Versions are the engine's
    /// to choose: they are taken from `outcome`.
    mutating func take(_ step: Step, _ outcome: Outcome) -> Outcome.What {
        do throws(Refusal) {
            switch step {
            case .write(let change):
                return .wrote(try write(change, outcome))
            case .create(let name, let quota):
                if spaces[name] != nil { throw .namespaceExists(name) }
                let id = NamespaceID(rawValue: nextID)
                nextID += 1
                spaces[name] = Space(id: id, quotaKeys: quota)
                return .namespace(id)
            case .delete(let name):
                let space = try space(name)
                spaces[name] = nil
                return .namespace(space.id)
            case .flush(let name):
                let space = try space(name)
                if space.isReadOnly { throw .namespaceReadOnly(name) }
                spaces[name]?.values = [:]
                return .namespace(space.id)
            case .rename(let name, let newName):
                let space = try space(name)
                if newName != name {
                    if spaces[newName] != nil { throw .namespaceExists(newName) }
                    spaces[name] = nil
                    spaces[newName] = space
                }
                return .namespace(space.id)
            case .limit(let name, let keys, let size, let isReadOnly):
                var space = try space(name)
                (space.quotaKeys, space.quotaBytes, space.isReadOnly) = (keys, size, isReadOnly)
                spaces[name] = space
                return .namespace(space.id)
            }
        } catch {
            return .refused(error)
        }
    }

    private func space(_ name: NamespaceName) throws(Refusal) -> Space {
        guard let space = spaces[name] else { throw .namespaceNotFound(name) }
        return space
    }

    private mutating func write(
        _ change: WriteKeys, _ outcome: Outcome
    ) throws(Refusal) -> [KeyWriteResult] {
        var space = try space(change.namespace)
        if space.isReadOnly { throw .namespaceReadOnly(change.namespace) }
        for check in change.checks {
            let current = space.values[check.key]?.version
            let holds =
                switch check.expectation {
                case .exists(let exists): exists == (current != nil)
                case .version(let version): version == current
                case .versions(let versions): versions.contains { $0 == current }
                }
            if !holds { throw .checkFailed(operation: check.operation, current: current) }
        }
        let before = space.usage
        var told: [KeyWriteResult] = []
        if case .wrote(let results) = outcome.what { told = results }
        var results: [KeyWriteResult] = []
        for (place, write) in change.writes.enumerated() {
            switch write {
            case .put(let key, let value):
                let version =
                    (place < told.count ? told[place].version : nil)
                    ?? ValueVersion(index: .zero, ordinal: 0)
                let old = space.values.updateValue(
                    StoredWrite(version: version, bytes: value), forKey: key)
                results.append(old == nil ? .created(version) : .replaced(version))
            case .delete(let key):
                let old = space.values.removeValue(forKey: key)
                if old == nil && change.deletesMustHit { throw .keyNotFound }
                results.append(old == nil ? .absent : .deleted)
            }
        }
        let after = space.usage
        if let limit = space.quotaKeys, after.keys > before.keys, after.keys > limit {
            throw .quotaExceeded(quota: "quota_keys", limit: limit, used: before.keys)
        }
        if let limit = space.quotaBytes, after.bytes > before.bytes, after.bytes > limit {
            throw .quotaExceeded(quota: "quota_bytes", limit: limit, used: before.bytes)
        }
        spaces[change.namespace] = space
        return results
    }

    /// Everything that can be read of the engine is what this model holds.
    func expectEqual(_ engine: Engine, _ when: Comment) throws {
        let catalog = engine.state.catalog
        let names = catalog.namespaces(after: nil, prefix: "", countMax: 10).map(\.record.name)
        #expect(names == ([.default] + spaces.keys).sorted(), when)
        for (name, space) in spaces {
            let namespace = try engine.namespace(name)
            #expect(namespace.record.id == space.id, when)
            #expect(namespace.record.quotaKeys == space.quotaKeys, when)
            #expect(namespace.record.quotaBytes == space.quotaBytes, when)
            #expect(namespace.record.isReadOnly == space.isReadOnly, when)
            #expect(namespace.currentUsage == space.usage, when)
            let contents = try engine.contents(name, page: 5)
            let expected = space.values.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            #expect(contents.map(\.key) == expected.map(\.key), when)
            #expect(
                contents.map { StoredWrite(version: $0.value.version, bytes: $0.value.bytes) }
                    == expected.map(\.value), when)
        }
    }
}
