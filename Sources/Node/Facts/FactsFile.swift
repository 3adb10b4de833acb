import JSON
import Log
import Platform
public import Topology

/// The file that holds a node's facts. Every change is on disk before ``change(_:)`` returns.
final class FactsFile: Sendable {
    private let path: String
    private let cached: Monitor<NodeFacts>

    private static let bytesMax = 1 << 20

    /// Reads the file of a data directory; nil when it has none yet.
    static func read(in dataPath: String) throws -> NodeFacts? {
        let path = dataPath + "/node.json"
        guard FileSystem.exists(path) else { return nil }
        let bytes = try FileSystem.readAll(path, bytesMax: bytesMax)
        // Whatever is wrong with it, the remedy is the same.
        guard let json = try? JSONValue(parsing: bytes), let facts = NodeFacts(json: json) else {
            throw NodeStartError.damagedFacts(path)
        }
        return facts
    }

    init(in dataPath: String, _ facts: NodeFacts) throws(FileError) {
        path = dataPath + "/node.json"
        cached = Monitor(facts)
        try FileSystem.replace(path, with: facts.json.serialized(pretty: true))
    }

    /// As of the last change. Never blocks on the disk for long: changes are rare and small.
    var facts: NodeFacts { cached.withLock { $0 } }

    /// Blocks until the change is on disk. The lock is held for the write: facts must not change
    /// twice and reach the disk in the other order.
    func change(_ body: (inout NodeFacts) -> Void) throws(FileError) {
        try cached.withLock { facts throws(FileError) in
            var changed = facts
            body(&changed)
            guard changed != facts else { return }
            try FileSystem.replace(path, with: changed.json.serialized(pretty: true))
            facts = changed
        }
    }
}

/// The last index known to be on disk, in a file of its own: it changes every second.
///
/// Written in place and not synced: an older value, as a power cut may leave it, is still true.
final class SyncedIndexFile: Sendable {
    private let file: File

    init(in dataPath: String) throws(FileError) {
        file = try File(dataPath + "/SYNCED", .readWrite)
    }

    /// What was written for this incarnation of the log; 0 when nothing readable was.
    func read(incarnation: String) -> LogIndex {
        SyncedIndexFile.read(file, incarnation: incarnation)
    }

    /// The same, of a data directory that no node has open; changes nothing.
    static func read(in dataPath: String, incarnation: String) -> LogIndex {
        guard let file = try? File(dataPath + "/SYNCED", .read) else { return .zero }
        return read(file, incarnation: incarnation)
    }

    private static func read(_ file: File, incarnation: String) -> LogIndex {
        guard let bytes = try? file.read(at: 0, count: 40) else { return .zero }  // None is legal.
        var reader = ByteReader(bytes)
        guard let index: UInt64 = reader.little(), let name = reader.hash128(),
            let check = reader.hash128(), name == Hash128(of: Array(incarnation.utf8)),
            check == Hash128(of: bytes, in: 0..<24)
        else { return .zero }
        return LogIndex(index)
    }

    func write(_ index: LogIndex, incarnation: String) throws(FileError) {
        var writer = ByteWriter(capacity: 40)
        writer.little(index.rawValue)
        writer.hash128(Hash128(of: Array(incarnation.utf8)))
        writer.hash128(Hash128(of: writer.bytes))
        try file.write(writer.bytes, at: 0)
    }
}

/// Why a node cannot start. Each says what to do.
public enum NodeStartError: Error, Sendable, CustomStringConvertible {
    case damagedFacts(String)
    case wrongName(asked: NodeName, found: NodeName, path: String)
    case cannotOpen(String)

    public var description: String {
        switch self {
        case .damagedFacts(let path):
            "\(path) cannot be read: restore it from a backup, or start with another --data"
        case .wrongName(let asked, let found, let path):
            "\(path) belongs to node \(found), not \(asked): start it with --name \(found), or give another --data"
        case .cannotOpen(let detail):
            detail
        }
    }
}
