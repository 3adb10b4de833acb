import Engine
import Log
import Platform
import Replication
import Topology

/// What a node is at this moment: its engine, its role, and what it was told. Everything here is
/// read without waiting; roles change on the control loop alone.
final class NodeState: Sendable {
    let options: NodeOptions
    let directory: DataDirectory
    let factsFile: FactsFile
    private let core: Monitor<Core>
    /// Held while a session applies entries, so that a session that is over cannot go on.
    private let applyGate = Monitor(())

    private struct Core {
        var engine: Engine?
        /// What was served last, of a node that stops: its topology is still the one that is known.
        var parting: EngineState?
        /// A state that was served, and is not any more, wanted a token of everybody.
        var hadTokens = false
        /// A state of the history that this node had before it was adopted: serves nobody, and is
        /// kept until a full sync has found where the histories part.
        var foreign: Engine?
        var role: Role
        var since: UnixMilliseconds
        /// The same moment by the clock that never jumps.
        var sinceMonotonic = MonotonicTime.now()
        /// Of the session whose entries are taken; a new one makes the old one's results void.
        var session: UInt64 = 0
        var isUnconfirmed = false
        /// Writes are held, for another node is about to take over.
        var isHandingOver = false
        var isFenced = false
        var isDiskLow = false
        var isDraining = false
        /// Why the last try to join or adopt failed.
        var failure: NodeReport.Failure?
    }

    init(
        options: NodeOptions, directory: DataDirectory, factsFile: FactsFile, engine: Engine?,
        foreign: Engine?
    ) {
        self.options = options
        self.directory = directory
        self.factsFile = factsFile
        core = Monitor(
            Core(
                engine: engine, foreign: foreign,
                role: engine == nil ? .replica(nil) : .undecided, since: .now()))
    }

    var engine: Engine? { core.withLock { $0.engine } }
    /// Of the engine, or when the node stops of the one that it had.
    var served: EngineState? { core.withLock { $0.engine?.state ?? $0.parting } }
    var hadTokens: Bool { core.withLock { $0.hadTokens } }
    var foreign: Engine? { core.withLock { $0.foreign } }
    var role: Role { core.withLock { $0.role } }
    var since: UnixMilliseconds { core.withLock { $0.since } }
    /// How long the role has been what it is.
    var inRoleFor: Duration { MonotonicTime.now() - core.withLock { $0.sinceMonotonic } }
    var facts: NodeFacts { factsFile.facts }
    var failure: NodeReport.Failure? { core.withLock { $0.failure } }
    var isFenced: Bool { core.withLock { $0.isFenced } }

    var isUnconfirmed: Bool {
        get { core.withLock { $0.isUnconfirmed } }
        set { core.withLock { $0.isUnconfirmed = newValue } }
    }
    var isHandingOver: Bool {
        get { core.withLock { $0.isHandingOver } }
        set { core.withLock { $0.isHandingOver = newValue } }
    }
    var isDiskLow: Bool {
        get { core.withLock { $0.isDiskLow } }
        set { core.withLock { $0.isDiskLow = newValue } }
    }
    var isDraining: Bool {
        get { core.withLock { $0.isDraining } }
        set { core.withLock { $0.isDraining = newValue } }
    }

    func note(_ failure: NodeReport.Failure?) { core.withLock { $0.failure = failure } }

    /// The committer while this node is primary.
    var committer: Committer? {
        if case .primary(let committer) = role { committer } else { nil }
    }

    /// The cluster that this node belongs to, with the newest document of it.
    var membership: Membership {
        Membership(facts: { self.facts }, applied: { self.served })
    }

    var lineage: Lineage? { membership.lineage }

    /// The newest document that this node knows: of its state, or told.
    var document: TopologyDocument? { membership.document }

    /// This node's record in the newest document.
    var ownRecord: NodeRecord? { document.flatMap(ownRecord(in:)) }

    /// Its record in a document. A number alone is not enough: a primary that was promoted without
    /// having heard of the latest additions gives their numbers again.
    func ownRecord(in document: TopologyDocument) -> NodeRecord? {
        let facts = self.facts
        return facts.number.flatMap { document.node(numbered: $0) }
            .flatMap { $0.name == facts.name ? $0 : nil }
    }

    /// What a document wants of this node; nil when it has no place in it.
    func ownRole(in document: TopologyDocument) -> ConfiguredRole? {
        ownRecord(in: document).flatMap { document.role(of: $0.number) }
    }

    /// Who this node is, for its peers.
    var identity: PeerIdentity {
        let facts = self.facts
        let (lineage, document) = membership.both
        return PeerIdentity(
            lineage: lineage, number: facts.number, name: facts.name.rawValue,
            reign: document?.reign, generation: document?.generation,
            claim: document.flatMap(claimedUpstream))
    }

    /// The upstream of a claim that still counts.
    func claimedUpstream(_ document: TopologyDocument) -> NodeNumber? {
        guard let claim = facts.claim, claim.basis >= document.version else { return nil }
        return claim.upstream
    }

    /// Takes on a role. On the control loop only.
    func setRole(_ role: Role, isFenced: Bool = false) {
        core.withLock {
            $0.role = role
            $0.since = .now()
            $0.sinceMonotonic = .now()
            $0.isFenced = isFenced
        }
    }

    /// Begins a session: results of earlier ones are void from now on. Waits for entries that are
    /// being applied, not for the network.
    func beginSession() -> UInt64 {
        applyGate.withLock { _ in
            core.withLock {
                $0.session += 1
                return $0.session
            }
        }
    }

    /// Applies entries of the session `number`; false when it is over.
    func apply(
        _ number: UInt64, _ engine: Engine, _ records: [Record], _ encoded: [UInt8]
    ) throws(EngineError) -> Bool {
        try applyGate.withLock { _ throws(EngineError) in
            guard core.withLock({ $0.session == number }) else { return false }
            try engine.apply(records, encoded: encoded)
            return true
        }
    }

    /// Makes `engine` the one that serves, durably; false when the session is over. Requests see
    /// the old state or the new one, whole.
    ///
    /// - Returns: Whether it was installed.
    func install(_ number: UInt64, _ engine: Engine) throws(EngineError) -> Bool {
        try applyGate.withLock { _ throws(EngineError) in
            guard core.withLock({ $0.session == number }) else { return false }
            try directory.makeCurrent(engine.incarnation)
            core.withLock {
                $0.engine = engine
                $0.foreign = nil
            }
            return true
        }
    }

    /// Serves `engine`, or nothing, from now on. `foreign` is kept beside it.
    func setEngine(_ engine: Engine?, foreign: Engine? = nil) {
        let last = self.engine?.state
        core.withLock {
            if let last, last.catalog.requiresToken { $0.hadTokens = true }
            if $0.isDraining, engine == nil { $0.parting = last }
            $0.engine = engine
            $0.foreign = foreign
        }
    }

    /// Remembers a document that this node was told of, when it is newer than all it knows.
    ///
    /// - Returns: Whether it was.
    func learn(_ document: TopologyDocument, of lineage: Lineage) throws(FileError) -> Bool {
        let own = membership
        guard own.lineage == lineage else { return false }
        if let known = own.document, known.version >= document.version { return false }
        try factsFile.change { $0.document = document }
        return true
    }
}
