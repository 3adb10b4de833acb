public import Engine
import Log
import Platform
public import Replication
public import Topology

/// One node: everything that `convoy serve` runs, but for HTTP.
///
/// Owns all threads and clocks. Requests come in through the methods of its extensions, each in a
/// file of its own:
///
/// | folder, file | what |
/// | --- | --- |
/// | `Node+Changes` | every change of the state, on its way to the committer |
/// | `Lifecycle/` | opening the data directory, founding a cluster, stopping, work by the clock; one change to the data of a node that does not run |
/// | `Reigns/Node+Roles` | the reconciler: what this node does, and what it should do |
/// | `Reigns/Node+Promise`, `Reigns/Node+Bid` | promises, and what whoever wants to reign does with them |
/// | `Reigns/Node+Failover`, `Reigns/Node+Boot` | who bids: a candidate, and a former primary after its restart |
/// | `Reigns/Node+FailoverRules` | what forbids a failover, and what it may cost |
/// | `Reigns/Node+Switchover`, `Reigns/Node+TakingOver` | handing over as planned, and taking over |
/// | `Reigns/Node+Fork` | a detached node as the primary of a cluster of its own |
/// | `Members/` | being taken into a cluster and taking others in; adding, removing and moving nodes; claims; what an operator sets for this node alone |
/// | `Links/` | what a replica session, and the source's end of replication, need of the node |
/// | `Events/` | what has happened, told to whoever follows |
/// | `Measurements/` | what it measures of itself, for plots of the last hour |
/// | `Alarms/` | what is wrong and does not mend itself |
/// | `Plans/` | what changes of the topology would do, and what forbids them |
/// | `Operations/`, `Waits/` | what goes on for longer than a request, and who waits for it |
/// | `Peers/` | what is heard of the other nodes |
/// | `Status/` | what is told about all of this |
/// | `Verdict/` | and what of it is wrong, in sentences |
public final class Node: Sendable {
    public let options: NodeOptions
    /// The feeds, snapshots and acknowledgements of the replicas that follow this node.
    public let source: Source
    public let waits: WaitHub
    public let events: EventHub
    public let measurements = Measurements()
    let state: NodeState
    let signing: PeerSigning
    let control = ControlLoop()
    let peers: PeerWatches
    let drift = DriftMemory()
    let tracker = OperationTracker()
    let parked = TakeoverQueue()
    let maintenance: Maintenance
    let alarms = Monitor(AlarmBook())
    let catalogs = Monitor(CatalogHistory())
    /// Since when replicas have promised a reign above this primary's.
    let heldUp = Monitor<MonotonicTime?>(nil)
    /// When the newest topology document came with an entry.
    let topologyAppliedAt = Monitor<MonotonicTime?>(nil)
    /// Since when this node has known of the newest document.
    let documentKnown = Monitor<(version: TopologyVersion, at: MonotonicTime)?>(nil)
    let troubled = Monitor<(at: MonotonicTime, found: NodeReport.NamespacesInTrouble)?>(nil)
    let comparison = Monitor(CatalogComparison())
    let reclaiming = Monitor<RunningReclaim?>(nil)
    /// When a handover to this node was first heard of.
    let handoverHeardAt = Monitor<(version: TopologyVersion, at: MonotonicTime)?>(nil)
    let startedAt = MonotonicTime.now()
    /// New with each start.
    let processID = String(UInt64.random(in: 0...UInt64.max), radix: 16)

    init(options: NodeOptions, state: NodeState, maintenance: Maintenance) {
        self.options = options
        self.state = state
        self.maintenance = maintenance
        waits = WaitHub()
        events = EventHub(node: state.facts.name.rawValue)
        signing = Node.signing(options.secret)
        let peers = PeerWatches()
        self.peers = peers
        source = Source(Node.sourceEnvironment(state, waits, peers, events))
    }

    /// The state that serves now; nil while this node has none.
    public var engine: Engine? { state.engine }

    public var name: NodeName { state.facts.name }

    /// The newest topology document that this node knows.
    public var document: TopologyDocument? { state.document }

    /// Whether the node's loops beat.
    public var isAlive: Bool { control.silence < .seconds(5) }

    func log(
        _ level: NodeOptions.LogLevel, _ message: String, _ metadata: [String: String] = [:]
    ) {
        options.log(level, message, metadata)
    }
}
