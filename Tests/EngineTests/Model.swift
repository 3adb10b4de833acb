import Engine
import Log
import Platform
import Testing

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
