public import Log
public import Platform

/// What one entry changed of the catalog, written in that very entry: there is no change without it,
/// and none of it without the change.
public struct AuditRecord: Equatable, Sendable {
    /// From 1, without gaps.
    public var number: UInt64
    /// The entry before the one that made the change: its hash covers all of history up to then.
    public var after: Position
    public var time: UnixMilliseconds
    public var author: ChangeAuthor
    /// Such as `namespace.create`.
    public var action: String
    public var changes: [AuditChange]
    /// Of an entry that changed more things than are told of.
    public var omitted: UInt64
    /// Over the record before and all before that: see ``AuditHead``.
    public var previous: Hash128

    /// The entry that made the change.
    public var index: LogIndex { after.index.next }

    /// Things of one entry that are told of.
    static let changesMax = 16
    private static let formatVersion: UInt8 = 1

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.little(AuditRecord.formatVersion)
        writer.little(after.index.rawValue)
        writer.hash128(after.hash)
        writer.little(time.rawValue)
        writer.appendCounted(author.who)
        writer.optional(author.address)
        writer.optional(author.reason)
        writer.appendCounted(action)
        writer.little(UInt8(clamping: changes.count))
        for change in changes { change.append(to: &writer) }
        writer.little(omitted)
        writer.hash128(previous)
        return writer.bytes
    }

    init?(number: UInt64, decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let format: UInt8 = reader.little(), format == AuditRecord.formatVersion,
            let index: UInt64 = reader.little(), let hash = reader.hash128(),
            let time: UInt64 = reader.little(), let who = reader.countedText(),
            let address = reader.optionalText(), let reason = reader.optionalText(),
            let action = reader.countedText(), let count: UInt8 = reader.little()
        else { return nil }
        var changes: [AuditChange] = []
        for _ in 0..<count {
            guard let change = AuditChange(from: &reader) else { return nil }
            changes.append(change)
        }
        guard let omitted: UInt64 = reader.little(), let previous = reader.hash128(),
            reader.isAtEnd
        else { return nil }
        self.init(
            number: number, after: Position(index: LogIndex(index), hash: hash),
            time: UnixMilliseconds(rawValue: time),
            author: ChangeAuthor(who: who, address: address, reason: reason), action: action,
            changes: changes, omitted: omitted, previous: previous)
    }

    init(
        number: UInt64, after: Position, time: UnixMilliseconds, author: ChangeAuthor,
        action: String, changes: [AuditChange], omitted: UInt64, previous: Hash128
    ) {
        self.number = number
        self.after = after
        self.time = time
        self.author = author
        self.action = action
        self.changes = changes
        self.omitted = omitted
        self.previous = previous
    }
}

/// One thing that was changed: what differs, as it was and as it is.
public struct AuditChange: Equatable, Sendable {
    /// Such as `namespace:orders`.
    public var subject: String
    /// Nil when it did not exist before.
    public var before: [AuditField]?
    /// Nil when it does not exist any more.
    public var after: [AuditField]?

    func append(to writer: inout ByteWriter) {
        writer.appendCounted(subject)
        for fields in [before, after] {
            writer.little(UInt8(fields == nil ? 0 : 1))
            guard let fields else { continue }
            writer.little(UInt8(clamping: fields.count))
            for field in fields {
                writer.appendCounted(field.name)
                field.value.append(to: &writer)
            }
        }
    }

    init(subject: String, before: [AuditField]?, after: [AuditField]?) {
        self.subject = subject
        self.before = before
        self.after = after
    }

    init?(from reader: inout ByteReader) {
        guard let subject = reader.countedText(),
            let before = AuditChange.fields(from: &reader),
            let after = AuditChange.fields(from: &reader)
        else { return nil }
        self.init(subject: subject, before: before, after: after)
    }

    /// Outer nil when damaged.
    private static func fields(from reader: inout ByteReader) -> [AuditField]?? {
        guard let flag: UInt8 = reader.little() else { return nil }
        guard flag != 0 else { return .some(nil) }
        guard let count: UInt8 = reader.little() else { return nil }
        var fields: [AuditField] = []
        for _ in 0..<count {
            guard let name = reader.countedText(), let value = AuditValue(from: &reader) else {
                return nil
            }
            fields.append(AuditField(name: name, value: value))
        }
        return fields
    }
}

public struct AuditField: Equatable, Sendable {
    public var name: String
    public var value: AuditValue
}

/// What a field holds. On disk: never renumber.
public enum AuditValue: Equatable, Sendable {
    case none
    case text(String)
    case number(UInt64)
    case flag(Bool)
    case list([String])

    func append(to writer: inout ByteWriter) {
        switch self {
        case .none:
            writer.little(UInt8(0))
        case .text(let text):
            writer.little(UInt8(1))
            writer.appendCounted(text)
        case .number(let number):
            writer.little(UInt8(2))
            writer.little(number)
        case .flag(let flag):
            writer.little(UInt8(3))
            writer.little(UInt8(flag ? 1 : 0))
        case .list(let items):
            writer.little(UInt8(4))
            writer.little(UInt16(clamping: items.count))
            for item in items { writer.appendCounted(item) }
        }
    }

    init?(from reader: inout ByteReader) {
        guard let tag: UInt8 = reader.little() else { return nil }
        switch tag {
        case 0:
            self = .none
        case 1:
            guard let text = reader.countedText() else { return nil }
            self = .text(text)
        case 2:
            guard let number: UInt64 = reader.little() else { return nil }
            self = .number(number)
        case 3:
            guard let flag: UInt8 = reader.little() else { return nil }
            self = .flag(flag != 0)
        case 4:
            guard let count: UInt16 = reader.little() else { return nil }
            var items: [String] = []
            for _ in 0..<count {
                guard let item = reader.countedText() else { return nil }
                items.append(item)
            }
            self = .list(items)
        default: return nil
        }
    }
}
