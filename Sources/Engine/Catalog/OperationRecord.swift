public import Platform

/// How a change that takes time stands, as far as the log knows: its begin and its end. Progress in
/// between is node-local.
public struct OperationRecord: Equatable, Sendable {
    /// On disk: never renumber.
    public enum State: UInt8, Sendable {
        case running = 1
        case succeeded = 2
        case failed = 3
        case cancelled = 4
    }

    public var id: String
    /// Such as `add-node`.
    public var type: String
    public var state: State
    /// What it is about: a node's name, for example.
    public var subject: String
    public var createdAt: UnixMilliseconds
    public var finishedAt: UnixMilliseconds?
    public var createdBy: String
    public var reason: String?
    /// Why it failed: a code of API.md and a sentence.
    public var errorCode: String?
    public var errorDetail: String?
    /// What it came to, or how far it came: a JSON object, at most ``resultBytesMax``.
    public var result: String?

    public static let resultBytesMax = 16 << 10

    public init(
        id: String, type: String, state: State, subject: String, createdAt: UnixMilliseconds,
        finishedAt: UnixMilliseconds? = nil, createdBy: String, reason: String? = nil,
        errorCode: String? = nil, errorDetail: String? = nil, result: String? = nil
    ) {
        self.id = id
        self.type = type
        self.state = state
        self.subject = subject
        self.createdAt = createdAt
        self.finishedAt = finishedAt
        self.createdBy = createdBy
        self.reason = reason
        self.errorCode = errorCode
        self.errorDetail = errorDetail
        self.result = result
    }

    /// Format 1 has no result.
    private static let formatVersions: ClosedRange<UInt8> = 1...2

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 160)
        writer.little(OperationRecord.formatVersions.upperBound)
        writer.appendCounted(type)
        writer.little(state.rawValue)
        writer.appendCounted(subject)
        writer.little(createdAt.rawValue)
        writer.optional(finishedAt?.rawValue)
        writer.appendCounted(createdBy)
        writer.optional(reason)
        writer.optional(errorCode)
        writer.optional(errorDetail)
        writer.optional(result.flatMap { $0.utf8.count > Self.resultBytesMax ? nil : $0 })
        return writer.bytes
    }

    init?(id: [UInt8], decoding bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let id = String(validating: id, as: UTF8.self),
            let format: UInt8 = reader.little(), OperationRecord.formatVersions.contains(format),
            let type = reader.countedText(),
            let state = reader.little(UInt8.self).flatMap(State.init(rawValue:)),
            let subject = reader.countedText(), let createdAt: UInt64 = reader.little(),
            let finishedAt: UInt64? = reader.optional(), let createdBy = reader.countedText(),
            let reason = reader.optionalText(), let errorCode = reader.optionalText(),
            let errorDetail = reader.optionalText(),
            let result = format == 1 ? .some(nil) : reader.optionalText(), reader.isAtEnd
        else { return nil }
        self.init(
            id: id, type: type, state: state, subject: subject,
            createdAt: UnixMilliseconds(rawValue: createdAt),
            finishedAt: finishedAt.map(UnixMilliseconds.init(rawValue:)), createdBy: createdBy,
            reason: reason, errorCode: errorCode, errorDetail: errorDetail, result: result)
    }
}
