import Engine
import Log
import Platform
import Testing

/// One change that a random run makes.
enum Step: Sendable {
    case write(WriteKeys)
    case create(NamespaceName, quotaKeys: UInt64?)
    case delete(NamespaceName)
    case flush(NamespaceName)
    case rename(NamespaceName, to: NamespaceName)
    case limit(NamespaceName, keys: UInt64?, bytes: UInt64?, isReadOnly: Bool)
    /// Removes what has expired, as far as these lines of the index say.
    case expire([ExpiryKey])

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
        case 93..<95:
            return .expire([])
        case 95..<97:
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
            switch Int.random(in: 0..<9, using: &random) {
            case 0..<3:
                change.writes.append(.delete(key: key()))
            case 3:
                change.writes.append(.setLifetime(key: key(), randomLifetime(&random)))
            default:
                let size = Int.random(in: 0...30, using: &random)
                change.writes.append(
                    .put(
                        key: key(), value: random.bytes(size), lifetime: randomLifetime(&random)))
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
            change.mustHit = Int.random(in: 0..<8, using: &random) == 0
        }
        return change
    }

    /// Ends with the next life, with the last one, or never.
    private static func randomLifetime(_ random: inout SplitMix64) -> Duration? {
        [.seconds(2_000), .seconds(7_000), nil, nil].randomElement(using: &random) ?? nil
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
        case .expire(let lines): submit(ExpireKeys(lines)) { .expired($0) }
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
        case expired(Int)
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
        var epoch: UInt32 = 1
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
        /// Within seconds: the steps of the clock are much longer.
        var expiry: UnixMilliseconds?

        func isVisible(at time: UnixMilliseconds) -> Bool { expiry.map { $0 > time } ?? true }
    }

    var spaces: [NamespaceName: Space] = [:]
    private var nextID: UInt32 = 2

    /// What the engine must answer to `step` at this place, and does it. Versions are the engine's
    /// to choose: they are taken from `outcome`.
    mutating func take(_ step: Step, at time: UnixMilliseconds, _ outcome: Outcome) -> Outcome.What
    {
        do throws(Refusal) {
            switch step {
            case .write(let change):
                return .wrote(try write(change, at: time, outcome))
            case .expire(let lines):
                return .expired(lines.count { expire($0, at: time) })
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
                spaces[name]?.epoch += 1
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

    private mutating func expire(_ line: ExpiryKey, at time: UnixMilliseconds) -> Bool {
        guard let (name, space) = spaces.first(where: { $0.value.id == line.namespace }),
            space.epoch == line.epoch, let value = space.values[line.key],
            !value.isVisible(at: time)
        else { return false }
        spaces[name]?.values[line.key] = nil
        return true
    }

    private mutating func write(
        _ change: WriteKeys, at time: UnixMilliseconds, _ outcome: Outcome
    ) throws(Refusal) -> [KeyWriteResult] {
        var space = try space(change.namespace)
        if space.isReadOnly { throw .namespaceReadOnly(change.namespace) }
        for check in change.checks {
            let found = space.values[check.key]
            let current = found.flatMap { $0.isVisible(at: time) ? $0.version : nil }
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
            let key = write.userKey
            let old = space.values[key]
            let isThere = old?.isVisible(at: time) ?? false
            let version =
                (place < told.count ? told[place].version : nil)
                ?? ValueVersion(index: .zero, ordinal: 0)
            switch write {
            case .put(_, let value, let lifetime):
                space.values[key] = StoredWrite(
                    version: version, bytes: value, expiry: lifetime.map { time.advanced(by: $0) })
                results.append(isThere ? .replaced(version) : .created(version))
            case .delete:
                if !isThere && change.mustHit { throw .keyNotFound }
                space.values[key] = nil
                results.append(isThere ? .deleted : .absent)
            case .setLifetime(_, let lifetime):
                if !isThere && change.mustHit { throw .keyNotFound }
                guard isThere, let old else {
                    results.append(.absent)
                    continue
                }
                space.values[key] = StoredWrite(
                    version: version, bytes: old.bytes,
                    expiry: lifetime.map { time.advanced(by: $0) })
                results.append(.replaced(version))
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
        let time = engine.state.header.time
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
            let expected = space.values.filter { $0.value.isVisible(at: time) }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            #expect(contents.map(\.key) == expected.map(\.key), when)
            #expect(
                contents.map(\.value.bytes) == expected.map(\.value.bytes), when)
            #expect(contents.map(\.value.version) == expected.map(\.value.version), when)
            #expect(
                contents.map { $0.value.expiry == nil } == expected.map { $0.value.expiry == nil },
                when)
        }
    }
}

extension KeyWrite {
    var userKey: [UInt8] {
        switch self {
        case .put(let key, _, _), .delete(let key), .setLifetime(let key, _): key
        }
    }
}

/// A wall clock that a test sets.
final class TestClock: Sendable {
    private let time = Monitor(UnixMilliseconds(rawValue: 1_700_000_000_000))

    var now: UnixMilliseconds { time.withLock { $0 } }

    func move(by seconds: Int) {
        time.withLock { $0.rawValue = UInt64(Int($0.rawValue) + seconds * 1000) }
    }
}
