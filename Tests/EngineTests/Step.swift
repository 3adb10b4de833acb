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
