import Log
import Platform
import Testing
import Topology

@testable import Node
@testable import Replication

/// One simulated node: its disk, its process, and the shell around the pure machines, with the
/// rules of `Sources/Node`.
final class SimNode {
    unowned let world: World
    let name: NodeName
    let address: NodeAddress
    /// How far its wall clock is off.
    var clockOffset: Duration = .zero

    // MARK: Disk

    /// Every change is synced.
    private(set) var facts: NodeFacts
    /// Behind `CURRENT`; its log and flushed state are on disk.
    var store: SimStore?
    /// What `diverged/` holds.
    var diverged: [Record] = []
    /// Of the machine: the page cache lives as long.
    private var boot = 1

    // MARK: Process

    private(set) var process = 0
    private(set) var isUp = false
    var foreign: SimStore?
    private(set) var role = Role.replica(nil)
    private(set) var since = MonotonicTime(nanoseconds: 0)
    private(set) var isFenced = false
    private(set) var completeness = true
    /// Entries of older sessions are refused.
    private(set) var sessionNumber = 0
    var links: [SimLink] = []
    /// Leased ones, by their ids.
    var snapshots: Set<Int> = []
    var observations: [NodeNumber: Observation] = [:]
    var waiters: [Waiter] = []
    /// Of the state that it reigns over.
    var unheard = UnheardChanges()
    var heldUpSince: MonotonicTime?
    /// A former primary's bid is under way.
    var isBidding = false
    /// Who is ahead, and has not retained what this node would need: what the operator is told.
    var lacksTailOf: NodeName?
    /// Writes are held, for another node is about to take over.
    var isHolding = false
    /// Whom it looks at: the nodes of its documents, also those that were removed.
    var watched: [NodeRecord] = []
    var failover: Failover?
    /// Whose data may be discarded as they are taken in.
    var discarding: Set<NodeNumber> = []

    enum Role {
        case undecided
        /// The right to append, in this reign.
        case primary(Reign)
        case replica(SimSession?)
    }

    struct Observation {
        var status: SimStatus
        var isReachable: Bool
    }

    struct Waiter {
        var position: Position
        var count: Int
        var deadline: MonotonicTime
    }

    init(_ world: World, _ name: NodeName, _ address: NodeAddress) {
        self.world = world
        self.name = name
        self.address = address
        facts = NodeFacts(name: name, bootID: "boot-1")
    }

    // MARK: - What it knows

    var wallClock: UnixMilliseconds {
        let milliseconds = (world.elapsed + clockOffset).wholeMilliseconds
        return UnixMilliseconds(rawValue: UInt64(1_700_000_000_000 + milliseconds))
    }

    var membership: Membership {
        Membership(facts, store?.state.lineage.map { ($0, store?.state.document) })
    }

    var document: TopologyDocument? { membership.document }

    var identity: PeerIdentity {
        let (lineage, document) = membership.both
        return PeerIdentity(
            lineage: lineage, number: facts.number, name: name.rawValue,
            reign: document?.reign, generation: document?.generation,
            claim: document.flatMap(claimedUpstream))
    }

    func claimedUpstream(_ document: TopologyDocument) -> NodeNumber? {
        guard let claim = facts.claim, claim.basis >= document.version else { return nil }
        return claim.upstream
    }

    var reign: Reign? { if case .primary(let reign) = role { reign } else { nil } }
    var session: SimSession? { if case .replica(let session) = role { session } else { nil } }
    var roleWord: String {
        switch role {
        case .undecided: "undecided"
        case .primary(let reign): "primary in \(reign)"
        case .replica(let session): session.map { "replica of \($0.upstream.name)" } ?? "replica"
        }
    }
    var position: Position { store?.state.position ?? .origin }
    var extent: HistoryExtent {
        store.map { HistoryExtent(reign: $0.state.reign, position: $0.state.position) } ?? .none
    }

    var isServing: Bool {
        guard isUp, !isFenced, let number = facts.number else { return false }
        switch role {
        case .undecided: return false
        case .primary: return true
        case .replica: return document?.role(of: number) != nil
        }
    }

    func log(_ line: @autoclosure () -> String) { world.log("\(name): \(line())") }

    // MARK: - What it writes

    func changeFacts(_ body: (inout NodeFacts) -> Void) {
        var changed = facts
        body(&changed)
        guard changed != facts else { return }
        facts = changed
        if NodeFacts(json: changed.json) != changed {
            world.watch.violate("\(name): node.json does not say what it was made of")
        }
    }

    func setRole(_ role: Role, isFenced: Bool = false) {
        if case .primary = self.role, case .primary = role {} else { waiters = [] }
        self.role = role
        isHolding = false
        lacksTailOf = nil
        since = world.now
        self.isFenced = isFenced
    }

    @discardableResult
    func beginSession() -> Int {
        sessionNumber += 1
        return sessionNumber
    }

    /// Remembers a document that is newer than all it knows.
    func learn(_ document: TopologyDocument, of lineage: Lineage) {
        let own = membership
        guard own.lineage == lineage else { return }
        if let known = own.document, known.version >= document.version { return }
        changeFacts { $0.document = document }
        log("learns \(document.version)")
        reconcile()
    }

    /// Forgets all of the log that is in the state.
    func forgetLog() {
        store?.flush()
        let last = position.index
        store?.trim(through: last)
    }

    /// Retention: forgets the older half of the log, as far as it is in the flushed state.
    func trim() {
        guard let log = store?.log else { return }
        let half = (log.first.rawValue + log.last.index.rawValue) / 2
        store?.trim(through: LogIndex(half))
    }

    // MARK: - Life

    /// The machine starts the process.
    func start() {
        guard !isUp else { return }
        process += 1
        isUp = true
        completeness =
            facts.stoppedCleanly || facts.bootID == "boot-\(boot)"
            || world.settings.policy == .always
        changeFacts {
            $0.bootID = "boot-\(boot)"
            $0.stoppedCleanly = false
        }
        if let fault = store?.open() { world.watch.violate("\(name): cannot open: \(fault)") }
        let isOwn = store.map(belongs) ?? false
        if isOwn, let lineage = store?.state.lineage, facts.forking == lineage {
            changeFacts {
                $0.lineage = lineage
                $0.document = nil
                $0.promised = nil
            }
        }
        changeFacts { $0.forking = nil }
        if let opened = store, !isOwn {
            foreign = opened
            store = nil
        }
        setRole(store == nil ? .replica(nil) : .undecided)
        if store != nil, facts.number.map({ document?.role(of: $0) != .primary }) ?? true {
            setRole(.replica(nil))
        }
        log("starts at \(position.index) in reign \(store?.state.reign.description ?? "none")")
        beat()
        lookAround()
    }

    private func belongs(_ store: SimStore) -> Bool {
        facts.lineage == nil || facts.lineage == store.state.lineage
            || facts.forking == store.state.lineage
    }

    /// The process ends at once; what it wrote is in the page cache.
    func kill() {
        guard isUp else { return }
        log("is killed at \(position.index)")
        world.watch.note { $0.crashes += 1 }
        end()
    }

    /// The machine loses its power: what was not synced is gone.
    func losePower() {
        log("loses power at \(position.index)")
        world.watch.note { $0.powerCuts += 1 }
        end()
        boot += 1
        guard var store else { return }
        let lost = store.log.lose(&world.random)
        if store.log.last.index < store.flushed.position.index {
            world.watch.note { $0.aheadOfLog += 1 }
        }
        world.watch.loses(lost.filter { !Watch.has(store.flushed, $0.position) })
        self.store = store
        log("\(lost.count) entries gone, the state has \(store.flushed.position.index)")
    }

    /// The process ends in order.
    func stop() {
        guard isUp else { return }
        log("stops")
        store?.log.sync()
        store?.flush()
        changeFacts { $0.stoppedCleanly = true }
        end()
    }

    func end() {
        isUp = false
        if let foreign { store = store ?? foreign }
        foreign = nil
        session?.isStopped = true
        role = .replica(nil)
        process += 1
        links = []
        snapshots = []
        observations = [:]
        waiters = []
        heldUpSince = nil
        isBidding = false
        isHolding = false
        watched = []
        failover = nil
        isFenced = false
    }

    // MARK: - The control loop

    static let beat = Duration.milliseconds(200)

    private func beat() {
        let process = self.process
        if let store, world.random.isLucky(world.settings.flushPercent),
            !store.state.history.isEmpty
        {
            self.store?.flush()
        }
        if world.settings.policy == .always || world.random.isLucky(20) { self.store?.log.sync() }
        reconcile()
        if isUp, process == self.process { session?.tick() }
        if isUp, process == self.process { tickLinks() }
        guard isUp, process == self.process else { return }
        world.after(SimNode.beat) { [self] in
            if isUp, self.process == process { beat() }
        }
    }
}
