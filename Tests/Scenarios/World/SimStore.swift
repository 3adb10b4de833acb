import Log
import Platform
import Replication
import Topology

/// What an entry of the simulation says.
enum SimPayload: Equatable {
    /// One write, unlike any other.
    case write(UInt64)
    case document(TopologyDocument)
    /// The last entry of a reign.
    case handover(TopologyDocument)
    /// Entry 1, or the entry of a fork.
    case founding(Lineage, TopologyDocument)
    /// Changes of the topology up to this generation are known widely enough.
    case heard(Generation)

    var kind: EntryKind {
        switch self {
        case .write: .data
        case .document: .topology
        case .handover: .handover
        case .founding(_, let document): document.generation == .first ? .birth : .topology
        case .heard: .catalog
        }
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .write(let id):
            writer.little(UInt8(1))
            writer.little(id)
        case .document(let document):
            writer.little(UInt8(2))
            writer.append(document.encoded())
        case .handover(let document):
            writer.little(UInt8(4))
            writer.append(document.encoded())
        case .founding(let lineage, let document):
            writer.little(UInt8(3))
            writer.hash128(lineage.id)
            writer.append(document.encoded())
        case .heard(let generation):
            writer.little(UInt8(5))
            writer.little(generation.rawValue)
        }
        return writer.bytes
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let tag: UInt8 = reader.little() else { return nil }
        switch tag {
        case 1:
            guard let id: UInt64 = reader.little() else { return nil }
            self = .write(id)
        case 2:
            guard let document = TopologyDocument(decoding: Array(bytes[1...])) else { return nil }
            self = .document(document)
        case 4:
            guard let document = TopologyDocument(decoding: Array(bytes[1...])) else { return nil }
            self = .handover(document)
        case 5:
            guard let generation: UInt64 = reader.little() else { return nil }
            self = .heard(Generation(generation))
        default:
            guard let lineage = reader.hash128(),
                let document = TopologyDocument(decoding: Array(bytes[17...]))
            else { return nil }
            self = .founding(Lineage(id: lineage), document)
        }
    }
}

/// What the entries up to a position amount to.
struct SimState {
    private(set) var position = Position.origin
    private(set) var reign = Reign(term: 0, holder: NodeNumber(rawValue: 0))
    private(set) var time = UnixMilliseconds(rawValue: 0)
    private(set) var lineage: Lineage?
    private(set) var document: TopologyDocument?
    private(set) var reigns: [ReignTable.Start] = []
    private(set) var documents: [TopologyDocument] = []
    private(set) var heardGeneration: Generation?
    /// Every entry that made this state: what makes it comparable.
    private(set) var history: [Record] = []

    /// The rules of the engine's `StateTransition`.
    ///
    /// - Returns: What is wrong with the entry; nil once it is applied.
    mutating func apply(_ record: Record) -> String? {
        guard record.position.index == position.index.next, record.previousHash == position.hash
        else { return "entry \(record.position) does not follow \(position)" }
        guard record.reign >= reign else { return "reign \(record.reign) is below \(reign)" }
        guard record.time >= time else { return "entry \(record.position.index) is older" }
        guard let payload = SimPayload(record.payload) else { return "a payload is damaged" }
        position = record.position
        reign = record.reign
        time = record.time
        history.append(record)
        switch payload {
        case .write: break
        case .heard(let generation): heardGeneration = generation
        case .document(let next), .handover(let next): take(next, record)
        case .founding(let lineage, let next):
            self.lineage = lineage
            take(next, record)
        }
        return nil
    }

    private mutating func take(_ next: TopologyDocument, _ record: Record) {
        if document?.reign != next.reign {
            reigns.append(
                ReignTable.Start(reign: next.reign, first: record.position.index))
        }
        document = next
        documents.append(next)
    }
}

/// A log: what follows a position, how much of it is synced.
struct SimLog {
    /// What the first record follows.
    private(set) var before: Position
    private(set) var records: [Record] = []
    private(set) var syncedCount = 0

    init(after before: Position) { self.before = before }

    var first: LogIndex { before.index.next }
    var last: Position { records.last?.position ?? before }
    var synced: LogIndex { LogIndex(before.index.rawValue + UInt64(syncedCount)) }

    mutating func append(_ record: Record) { records.append(record) }

    mutating func sync() { syncedCount = records.count }

    /// What is there at `index`; nil when it is not retained, or not there yet.
    func position(at index: LogIndex) -> Position? {
        if index == before.index { return before }
        guard index > before.index, index <= last.index else { return nil }
        return records[Int(index.rawValue - before.index.rawValue) - 1].position
    }

    func check(_ position: Position) -> HistoryCheck {
        if position.index < before.index { return .notRetained }
        guard let here = self.position(at: position.index) else { return .ahead }
        return here == position ? .same : .differs(at: here)
    }

    /// What follows `index`, which must be retained, up to `last`.
    func records(after index: LogIndex, through last: LogIndex) -> ArraySlice<Record> {
        let from = Int(index.rawValue - before.index.rawValue)
        let to = max(from, min(records.count, Int(last.distance(past: before.index))))
        return records[from..<to]
    }

    /// Forgets what is at or below `index`.
    mutating func trim(through index: LogIndex) {
        guard let position = position(at: index), index > before.index else { return }
        let count = Int(index.rawValue - before.index.rawValue)
        records.removeFirst(count)
        syncedCount = max(0, syncedCount - count)
        before = position
    }

    /// The power fails: of what is not synced, only the first part may be there.
    ///
    /// - Returns: What is gone.
    mutating func lose(_ random: inout SplitMix64) -> [Record] {
        let kept = Int.random(in: syncedCount...records.count, using: &random)
        let gone = Array(records[kept...])
        records.removeLast(gone.count)
        sync()
        return gone
    }
}

/// A state and its log, on one disk.
struct SimStore {
    private(set) var state: SimState
    /// The state as of the last flush: what a process finds.
    private(set) var flushed: SimState
    var log: SimLog

    /// A new, empty one.
    init() { self.init(snapshot: SimState()) }

    /// The state of a snapshot, with a log that begins behind it.
    init(snapshot: SimState) {
        state = snapshot
        flushed = snapshot
        log = SimLog(after: snapshot.position)
    }

    mutating func append(_ record: Record, synced: Bool) {
        log.append(record)
        if synced { log.sync() }
    }

    mutating func apply(_ record: Record) -> String? { state.apply(record) }

    mutating func flush() { flushed = state }

    mutating func trim(through index: LogIndex) {
        log.trim(through: min(index, flushed.position.index))
    }

    /// What a process does as it opens the store.
    ///
    /// - Returns: What is damaged; nil when it is open.
    mutating func open() -> String? {
        state = flushed
        if log.last.index < state.position.index {
            log = SimLog(after: state.position)
            return nil
        }
        guard log.position(at: state.position.index) == state.position else {
            return "the state stands at \(state.position), and the log has another history there"
        }
        for record in log.records(after: state.position.index, through: log.last.index) {
            if let fault = state.apply(record) { return fault }
        }
        log.sync()
        return nil
    }
}
