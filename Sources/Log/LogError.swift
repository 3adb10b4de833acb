public import Platform

/// Why the log refused. One case for each thing that a caller can do about it.
public enum LogError: Error, Sendable, Equatable {
    /// A system call failed. After a failed write or `fdatasync` it is unknown what reached the
    /// disk: stop the process; the next start finds out.
    case io(FileError)
    /// The files are not what was written. Do not serve from them.
    case damaged(LogDamage)
    /// The asked entries were trimmed; the log begins at `first`. Take a snapshot.
    case notRetained(first: LogIndex)
    /// The asker has another history: at that index the log has this position.
    case hashDiffers(at: Position)
    /// The asker is beyond the log's end, which is `last`.
    case ahead(last: Position)
}

/// A place in the log's files that is not what was written there.
public struct LogDamage: Sendable, Equatable, CustomStringConvertible {
    /// The path of the segment file, or of the directory.
    public let file: String
    /// Where in the file, in bytes.
    public let offset: UInt64
    /// What is wrong, as a clause.
    public let what: String
    /// What the operator can do, in whole sentences.
    public let advice: String

    public init(
        file: String, offset: UInt64, what: String, advice: String = LogDamage.replaceAdvice
    ) {
        self.file = file
        self.offset = offset
        self.what = what
        self.advice = advice
    }

    public var description: String { "\(file) at byte \(offset): \(what). \(advice)" }

    /// For bytes that no longer say what they said.
    public static let replaceAdvice =
        "Nothing was changed. If another node has the data, move this node's data directory away and "
        + "let it join again; else restore the directory from a backup. `convoy check` lists every "
        + "fault."

    /// For bytes that are right, but not understood.
    public static let upgradeAdvice =
        "Nothing was changed. Start the version of Convoy that wrote it, or a newer one."

    init(_ fault: RecordFault, file: String, offset: UInt64) {
        let isNewer = if case .unknownKind = fault { true } else { false }
        self.init(
            file: file, offset: offset, what: fault.words,
            advice: isNewer ? LogDamage.upgradeAdvice : LogDamage.replaceAdvice)
    }
}

/// Runs file operations and turns their error into the log's.
func onDisk<Result>(
    _ body: () throws(FileError) -> Result
) throws(LogError) -> Result {
    do throws(FileError) { return try body() } catch { throw .io(error) }
}
