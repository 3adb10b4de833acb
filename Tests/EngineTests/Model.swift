import Engine
import Log
import Platform
import Testing

/// One change that a random run makes.
enum Step: Sendable {
    case write(WriteKeys)
    case load(ImportKeys)
    /// The wall clock, while nothing is underway.
    case jump(seconds: Int)
    case create(NamespaceName, quotaKeys: UInt64?)
    case delete(NamespaceName)
    case flush(NamespaceName)
    case rename(NamespaceName, to: NamespaceName)
    case limit(NamespaceName, keys: UInt64?, bytes: UInt64?, isReadOnly: Bool)
    /// Removes what has expired, as far as these lines of the index say.
    case expire([ExpiryKey])

    /// Any change on three namespaces and a handful of keys, so that they meet.
    static func random(
        _ random: inout SplitMix64, known versions: [ValueVersion], _ now: UnixMilliseconds
    ) -> Step {
        let names: [NamespaceName] = ["a", "b", "c"]
        let name = names.randomElement(using: &random) ?? "a"
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<75:
            return .write(randomWrite(name, &random, versions))
        case 75..<79:
            return .load(randomLoad(name, &random, now))
        case 79:
            // Sums of these are never near a lifetime.
            return .jump(
                seconds: [-40_000, 5_000, 10_000].randomElement(using: &random) ?? 5_000)
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

    private static func randomLoad(
        _ name: NamespaceName, _ random: inout SplitMix64, _ now: UnixMilliseconds
    ) -> ImportKeys {
        let lines = (0..<Int.random(in: 1...6, using: &random)).map { _ in
            ImportedKey(
                key: randomKey(&random),
                value: random.bytes(Int.random(in: 0...30, using: &random)),
                expiry: randomLifetime(&random).map { now.advanced(by: $0) })
        }
        // Whose it is, is known when it is sent.
        return ImportKeys(
            namespace: .none, name: name, lines: lines, replaces: Bool.random(using: &random),
            stopsAtRefusal: Bool.random(using: &random))
    }

    private static func randomKey(_ random: inout SplitMix64) -> [UInt8] {
        [UInt8](repeating: 0xFF, count: Int.random(in: 1...12, using: &random))
    }

    /// Some are numbers, so that some sums are possible.
    private static func randomValue(_ random: inout SplitMix64) -> [UInt8] {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes("\(Int.random(in: -100...100, using: &random))")
        case 1: bytes("\(Bool.random(using: &random) ? Int64.max : Int64.min)")
        default: random.bytes(Int.random(in: 0...30, using: &random))
        }
    }

    private static func randomWrite(
        _ name: NamespaceName, _ random: inout SplitMix64, _ versions: [ValueVersion]
    ) -> WriteKeys {
        func key() -> [UInt8] { randomKey(&random) }
        var change = WriteKeys(namespace: name, writes: [])
        let isBatch = Int.random(in: 0..<4, using: &random) == 0
        for _ in 0..<(isBatch ? 4 : 1) {
            switch Int.random(in: 0..<12, using: &random) {
            case 9:
                let step = Int64.random(in: -3...3, using: &random)
                change.writes.append(.increment(key: key(), by: step))
            case 10:
                change.writes.append(
                    .append(key: key(), bytes: random.bytes(Int.random(in: 0...9, using: &random))))
            case 0..<3:
                change.writes.append(.delete(key: key()))
            case 3:
                change.writes.append(.setLifetime(key: key(), randomLifetime(&random)))
            default:
                change.writes.append(
                    .put(
                        key: key(), value: randomValue(&random), lifetime: randomLifetime(&random)))
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
        case .load(let change): submit(change) { .loaded($0) }
        case .jump: done(Outcome(position: .origin, what: .jumped))
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

extension Step {
    /// An import goes to the namespace that has its name now, whatever that is called when it is decided.
    func aimed(by catalog: Catalog) -> Step {
        guard case .load(var change) = self else { return self }
        change.namespace = catalog.namespace(named: change.name)?.record.id ?? .none
        return .load(change)
    }
}

extension NamespaceID {
    /// Nobody has it.
    static let none = NamespaceID(rawValue: .max)
}

/// What the engine answered.
struct Outcome: Equatable, Sendable {
    enum What: Equatable, Sendable {
        case wrote([KeyWriteResult])
        case loaded([ImportOutcome])
        case jumped
        case namespace(NamespaceID?)
        case expired(Int)
        case refused(Refusal)
    }

    var position: Position
    var what: What

    /// That values got, in the order of what was asked for.
    var versions: [ValueVersion?] {
        switch what {
        case .wrote(let results): results.map(\.version)
        case .loaded(let results):
            results.map {
                switch $0 {
                case .created(let version), .replaced(let version): version
                case .skipped, .expired, .refused, .notTried: nil
                }
            }
        case .jumped, .namespace, .expired, .refused: []
        }
    }
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
            case .load(let change):
                return .loaded(try load(change, at: time, outcome))
            case .jump:
                return .jumped
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

    /// Of the engine's choice.
    private static func version(_ outcome: Outcome, _ place: Int) -> ValueVersion {
        let versions = outcome.versions
        guard versions.indices.contains(place), let version = versions[place] else {
            return ValueVersion(index: .zero, ordinal: 0)
        }
        return version
    }

    private mutating func load(
        _ change: ImportKeys, at time: UnixMilliseconds, _ outcome: Outcome
    ) throws(Refusal) -> [ImportOutcome] {
        guard let (name, found) = spaces.first(where: { $0.value.id == change.namespace }) else {
            throw .namespaceNotFound(change.name)
        }
        var space = found
        if space.isReadOnly { throw .namespaceReadOnly(name) }
        var results: [ImportOutcome] = []
        for line in change.lines {
            if case .refused? = results.last, change.stopsAtRefusal {
                results.append(.notTried)
                continue
            }
            if results.last == .notTried {
                results.append(.notTried)
                continue
            }
            let old = space.values[line.key]
            let isThere = old?.isVisible(at: time) ?? false
            if isThere && !change.replaces {
                results.append(.skipped)
                continue
            }
            if let expiry = line.expiry, expiry <= time {
                results.append(.expired)
                continue
            }
            let before = space.usage
            var after = space
            let version = Model.version(outcome, results.count)
            after.values[line.key] = StoredWrite(
                version: version, bytes: line.value, expiry: line.expiry)
            if let limit = space.quotaKeys, after.usage.keys > before.keys,
                after.usage.keys > limit
            {
                results.append(.refused(quota: "quota_keys", limit: limit, used: before.keys))
            } else if let limit = space.quotaBytes, after.usage.bytes > before.bytes,
                after.usage.bytes > limit
            {
                results.append(.refused(quota: "quota_bytes", limit: limit, used: before.bytes))
            } else {
                space = after
                results.append(isThere ? .replaced(version) : .created(version))
            }
        }
        spaces[name] = space
        return results
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
        var results: [KeyWriteResult] = []
        for (place, write) in change.writes.enumerated() {
            let key = write.userKey
            let old = space.values[key]
            let isThere = old?.isVisible(at: time) ?? false
            let version = Model.version(outcome, place)
            func rewrite(_ bytes: [UInt8]) {
                space.values[key] = StoredWrite(
                    version: version, bytes: bytes, expiry: isThere ? old?.expiry : nil)
            }
            switch write {
            case .increment(_, let step):
                let text = isThere ? String(decoding: old?.bytes ?? [], as: UTF8.self) : "0"
                guard let number = Int64(text), "\(number)" == text else {
                    throw .writeImpossible(at: place, .notANumber)
                }
                let (sum, overflows) = number.addingReportingOverflow(step)
                if overflows { throw .writeImpossible(at: place, .overflow) }
                rewrite(bytes("\(sum)"))
                results.append(.incremented(version, value: sum, created: !isThere))
            case .append(_, let more):
                let whole = (isThere ? old?.bytes ?? [] : []) + more
                rewrite(whole)
                results.append(.appended(version, bytes: whole.count, created: !isThere))
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
        case .put(let key, _, _), .delete(let key), .setLifetime(let key, _),
            .increment(let key, _), .append(let key, _):
            key
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
