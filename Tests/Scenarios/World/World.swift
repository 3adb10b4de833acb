import Glibc
import Log
import Platform
import Testing
import Topology

/// Several nodes in one thread: their clock, their network, their chance, and what must hold.
///
/// Everything that happens is an event of the queue. The same seed gives the same events.
final class World {
    var random: SplitMix64
    private(set) var now = MonotonicTime(nanoseconds: 1_000_000_000_000)
    private var events = EventQueue()
    let network = SimNetwork()
    let watch = Watch()
    private(set) var nodes: [SimNode] = []
    var settings: Settings
    /// Crashes that are to come: the next time that the node passes the point.
    var armed: [(node: NodeName, point: CrashPoint)] = []
    private var trace: [String] = []
    private var snapshotCount = 0
    /// The next number of a node; as the log's `sequence` record keeps it.
    var highestNumber = NodeNumber(rawValue: 1)
    private let begin = MonotonicTime(nanoseconds: 1_000_000_000_000)

    struct Settings {
        var policy = Policy.interval
        /// Each beat of a node, how often in a hundred its state is flushed to disk.
        var flushPercent = 10
        /// How often in a thousand a node dies at a crash point.
        var crashPerMille = 0
    }

    enum Policy { case always, interval }

    init(seed: UInt64, settings: Settings = Settings()) {
        random = SplitMix64(seed: seed)
        self.settings = settings
    }

    /// Lets go of everything, so that the nodes and their events do not keep each other.
    func close() {
        events.removeAll()
        for node in nodes { node.end() }
    }

    // MARK: - Time

    var elapsed: Duration { now - begin }

    func after(_ delay: Duration, _ run: @escaping () -> Void) {
        events.add(at: now + delay, run)
    }

    /// Lets `duration` pass.
    func run(_ duration: Duration) throws {
        try run(until: now + duration) { false }
    }

    /// Lets time pass until `isDone`, at most `limit`.
    ///
    /// - Returns: Whether it was.
    @discardableResult
    func run(atMost limit: Duration, until isDone: () -> Bool) throws -> Bool {
        try run(until: now + limit, isDone)
        return isDone()
    }

    private func run(until deadline: MonotonicTime, _ isDone: () -> Bool) throws {
        while !isDone(), let next = events.nextAt, next <= deadline, let event = events.take() {
            now = event.at
            event.run()
            if !watch.violations.isEmpty { throw Broken(violations: watch.violations) }
        }
        if !isDone() { now = max(now, deadline) }
    }

    // MARK: - Nodes

    func addNode(_ node: SimNode) {
        nodes.append(node)
        node.start()
    }

    func node(_ number: UInt16) -> SimNode { nodes[Int(number) - 1] }

    func node(at address: NodeAddress) -> SimNode? { nodes.first { $0.address == address } }

    /// Whether the process goes on beyond this point; else it has been killed here.
    func passes(_ point: CrashPoint, _ node: SimNode) -> Bool {
        if let at = armed.firstIndex(where: { $0.node == node.name && $0.point == point }) {
            armed.remove(at: at)
            log("\(node.name): dies at: \(point.rawValue)")
            node.kill()
            return false
        }
        guard settings.crashPerMille > 0,
            Int.random(in: 0..<1000, using: &random) < settings.crashPerMille
        else { return true }
        log("\(node.name): dies at: \(point.rawValue)")
        node.kill()
        after(.milliseconds(Int64.random(in: 100...4_000, using: &random))) { node.start() }
        return false
    }

    func nextSnapshotID() -> Int {
        snapshotCount += 1
        return snapshotCount
    }

    // MARK: - Trace

    func log(_ line: @autoclosure () -> String) {
        let micros = elapsed.wholeNanoseconds / 1_000
        let millis = "\(micros / 1000).\(String(micros % 1000 + 1000).dropFirst())"
        trace.append("\(millis) \(line())")
        if trace.count > 4_000 { trace.removeFirst(2_000) }
    }

    /// The last things that happened.
    func tail(_ count: Int = World.tailLines) -> String {
        trace.suffix(count).joined(separator: "\n")
    }

    /// More with `CONVOY_TRACE=lines`.
    private static let tailLines =
        getenv("CONVOY_TRACE").flatMap { Int(String(cString: $0)) } ?? 60
}

/// Where a process can end between two steps that belong together.
enum CrashPoint: String, CaseIterable {
    case appended = "between append and apply"
    case promised = "promise stored, not answered"
    case promisesCollected = "promises collected, reign not opened"
    case reignAppended = "reign appended, not synced"
    case tailKept = "diverged entries kept, nothing replaced"
    case loaded = "full sync loaded, not swapped"
    case swapped = "full sync swapped, not told"
    case adopted = "adoption written down, not answered"
    case forked = "fork appended, node.json not written"
    case held = "writes held, the candidate not there yet"
    case heirReady = "the candidate has everything, no handover yet"
    case handedOver = "handover appended, not synced, nobody told"
    case handoverApplied = "handover applied by the candidate, reign not taken"
    case handoverTaken = "reign taken, nothing appended yet"
}

/// Why a run has ended: an invariant does not hold.
struct Broken: Error, CustomStringConvertible {
    var violations: [String]
    var description: String { violations.joined(separator: "\n") }
}
