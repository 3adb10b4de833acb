public import Engine
import Log
import Platform
public import Replication
public import Topology

/// How many replicas must have a write before it is answered.
public struct AckDemand: Equatable, Sendable {
    public var count: Int
    /// Count replicas that have it on disk, not only applied.
    public var durable: Bool
    public var timeout: Duration

    public init(count: Int, durable: Bool, timeout: Duration) {
        self.count = count
        self.durable = durable
        self.timeout = timeout
    }
}

/// Why a change was not answered with its outcome. One case for each thing a caller can do.
public enum ChangeFailure: Error, Sendable {
    case refused(Refusal)
    /// Send it to this node.
    case notPrimary(NodeRecord)
    /// Nobody is known to be primary: try again.
    case noPrimary
    /// This node has no state yet.
    case notReady
    /// Too much waits: try again.
    case busy
    /// The disk is nearly full: delete something.
    case diskNearlyFull(freeBytes: UInt64, reserveBytes: UInt64)
    /// No configured replica is heard, and this node was started to take no writes then.
    case isolated
    /// The change *is* in the primary's log; fewer replicas than wanted said so in time.
    case acksTimeout(AckOutcome, unheard: UnheardChanges.Obstacle?)
}

extension Node {
    /// Hands a change to the committer. `completion` is called once, on a thread that must not be
    /// held up; the change is then in the log, as durable as the sync policy says, or it is not.
    ///
    /// With `needsSpace` it is refused while the disk is nearly full. With `acks` it is answered only
    /// when so many replicas have it; never fewer than the topology's `min_in_sync_replicas`, unless
    /// the change is one of the topology.
    public func submit<C: Change>(
        _ change: C, needsSpace: Bool = true, acks: AckDemand? = nil,
        completion: @escaping @Sendable (Result<Committed<C.Answer>, ChangeFailure>) -> Void
    ) {
        submit(
            change, needsSpace: needsSpace, acks: acks, since: .now(), completion: completion)
    }

    /// It waits for a reign that this node is about to take, for ``TakeoverQueue/patience`` after
    /// `since`: however often it tries meanwhile.
    private func submit<C: Change>(
        _ change: C, needsSpace: Bool, acks: AckDemand?, since: MonotonicTime,
        completion: @escaping @Sendable (Result<Committed<C.Answer>, ChangeFailure>) -> Void
    ) {
        if let failure = obstacle(needsSpace: needsSpace, bytes: change.bytes) {
            return completion(.failure(failure))
        }
        let committer: Committer
        switch standing {
        case .reigns(let own):
            committer = own
        case .takesOver:
            let isParked = parked.add(since: since) { [self] since in
                submit(
                    change, needsSpace: needsSpace, acks: acks, since: since,
                    completion: completion)
            }
            return isParked ? control.poke() : completion(.failure(.noPrimary))
        case .elsewhere(let failure):
            return completion(.failure(failure))
        }
        // Changes of the topology, which may be the way out, are taken.
        if change.waitsForReplicas, refusesIsolatedWrites {
            return completion(.failure(.isolated))
        }
        committer.submit(change) { [self] result in
            switch result {
            case .success(let committed):
                awaitAcks(change.waitsForReplicas, committed, acks, completion)
            case .failure(.refused(let refusal)):
                completion(.failure(.refused(refusal)))
            case .failure(.busy):
                completion(.failure(.busy))
            case .failure(.notPrimary):
                completion(.failure(notPrimaryFailure()))
            }
        }
    }

    /// The same for a change that stands and falls with the right that it was asked for with; nil is
    /// the node's own.
    func submit<C: Change>(
        _ change: C, by credential: Credential?, needsSpace: Bool = true,
        completion: @escaping @Sendable (Result<Committed<C.Answer>, ChangeFailure>) -> Void
    ) {
        guard let credential else {
            return submit(change, needsSpace: needsSpace, completion: completion)
        }
        submit(
            Admitted(change, by: credential), needsSpace: needsSpace, completion: completion)
    }

    /// The same, for threads of the node that may wait.
    func commit<C: Change>(
        _ change: C, until deadline: MonotonicTime
    ) -> Result<Committed<C.Answer>, ChangeFailure>? {
        let outcome = Monitor<Result<Committed<C.Answer>, ChangeFailure>?>(nil)
        submit(change, needsSpace: false) { result in outcome.update { $0 = result } }
        return outcome.wait(until: deadline) { $0 }
    }

    private func obstacle(needsSpace: Bool, bytes: Int) -> ChangeFailure? {
        if state.isDraining { return .busy }
        let isTooMuch = maintenance.spend(bytes, reserve: options.diskReserveBytes)
        guard needsSpace, state.isDiskLow || isTooMuch else { return nil }
        return .diskNearlyFull(
            freeBytes: maintenance.freeBytes, reserveBytes: options.diskReserveBytes)
    }

    /// Who to ask instead of this node.
    public func notPrimaryFailure() -> ChangeFailure {
        guard let document = state.document,
            let primary = document.node(numbered: document.primary),
            primary.number != state.facts.number
        else { return state.engine == nil ? .notReady : .noPrimary }
        return .notPrimary(primary)
    }

    private func awaitAcks<Answer: Sendable>(
        _ hasFloor: Bool, _ committed: Committed<Answer>, _ demand: AckDemand?,
        _ completion: @escaping @Sendable (Result<Committed<Answer>, ChangeFailure>) -> Void
    ) {
        let floor = hasFloor ? state.document?.minInSyncReplicas ?? 0 : 0
        let wanted = max(demand?.count ?? 0, floor)
        let index = committed.position.index
        guard wanted > 0 || (hasFloor && source.isHeldBack(index)) else {
            return completion(.success(committed))
        }
        let durable = demand?.durable ?? false
        let isTaken = source.whenAcked(
            index, count: wanted, durable: durable, heedsTopology: hasFloor,
            deadline: .now() + (demand?.timeout ?? Node.ackTimeout)
        ) { [source] outcome in
            if outcome.isMet { return completion(.success(committed)) }
            let obstacle = outcome.isHeldBack ? source.obstacle(at: index) : nil
            completion(.failure(.acksTimeout(outcome, unheard: obstacle)))
        }
        if isTaken { return }
        // Too many wait: what is known now is the answer.
        let outcome = AckOutcome(
            index: index, wanted: wanted, reached: source.acked(atLeast: index, durable: durable))
        completion(.failure(.acksTimeout(outcome, unheard: nil)))
    }

    /// How long a write waits for acknowledgements unless it says otherwise.
    public static let ackTimeout: Duration = .seconds(5)
}
