public import Log
public import Platform
public import RocksDB

/// Why an engine cannot be opened, or take entries from its upstream.
public enum EngineError: Error, Sendable, CustomStringConvertible {
    /// The disk or the file system failed.
    case io(FileError)
    /// RocksDB failed or found its files damaged.
    case database(RocksDBError)
    /// The log failed or is damaged.
    case log(LogError)
    /// The state holds something that cannot be what we wrote.
    case damaged(String)
    /// An entry does not follow the state: another history, or out of order. Nothing was applied.
    case notNext(String)
    /// The directory holds no state.
    case empty(String)
    /// Another process has the data directory.
    case locked(String)

    public var description: String {
        switch self {
        case .io(let error): "\(error)"
        case .database(let error): "the database cannot be read: \(error)"
        case .log(let error): error.words
        case .damaged(let detail): detail
        case .notNext(let detail): detail
        case .empty(let path): "\(path) holds no state"
        case .locked(let path): "\(path) is in use by another process"
        }
    }
}

extension EngineError {
    /// What whoever starts the node can do, in whole sentences; nil where the error says it already, or
    /// there is nothing to say.
    public var advice: String? {
        switch self {
        case .database, .damaged: LogDamage.replaceAdvice
        case .io, .log, .notNext, .empty, .locked: nil
        }
    }
}

extension LogError {
    fileprivate var words: String {
        switch self {
        case .io(let error): "\(error)"
        case .damaged(let damage): "the log is damaged: \(damage)"
        case .notRetained(let first): "the log begins only with entry \(first)"
        case .hashDiffers(let position):
            "the log has another entry \(position.index) than the state"
        case .ahead(let last): "the log ends with entry \(last.index), before the state"
        }
    }
}

/// Runs `body` and turns the errors of the modules below into an ``EngineError``.
func engine<Result>(_ body: () throws -> Result) throws(EngineError) -> Result {
    do {
        return try body()
    } catch let error as EngineError {
        throw error
    } catch let error as FileError {
        throw .io(error)
    } catch let error as RocksDBError {
        throw .database(error)
    } catch let error as LogError {
        throw .log(error)
    } catch let error as CatalogFault {
        throw .damaged("\(error)")
    } catch {
        throw .damaged("\(error)")
    }
}
