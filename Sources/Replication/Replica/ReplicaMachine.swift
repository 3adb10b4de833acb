public import Log
public import Platform
public import Topology

/// The replica's end of a link: what to do next, given what has happened.
///
/// Pure: it decides, the caller performs. No clock, no socket, no lock; chance is passed in.
///
///     connecting ──▶ handshake ──same history──▶ streaming
///        ▲               │                          ▲  │
///        │               └──no state, not retained, │  │
///        │                  diverged, requested     │  │
///        │                     ▼                    │  │
///        │                  fullSync(prepare ▶ fetch ▶ verify ▶ load ▶ catchUp ▶ swap)
///        │                     │                       │
///        └──retry── backoff ◀──┴──────failure──────────┤
///        └──retry── stalled ◀──┴──────silence──────────┘
///
///     any ──told so, by a higher version──▶ detached, fenced        any ──stop──▶ stopped
///
/// Invariants
///  1. Entries are only asked for while streaming, or catching up in a full sync.
///  2. A full sync that has begun is taken up again by every later attempt until its state is swapped
///     in: the state that serves is of another history, or too old to go on from.
///  3. `detached` and `fenced` are believed of a higher version alone, and left by ``Event/stop``.
///  4. A failure waits at least ``backoffMin`` and at most ``backoffMax``; of a link that breaks again
///     and again, but brings something each time, no longer than a first one.
public struct ReplicaMachine: Sendable {
    public private(set) var state = State.connecting
    /// Of the present state.
    public private(set) var since: MonotonicTime
    /// When something was last applied, fetched, or nothing was behind.
    public private(set) var lastProgressAt: MonotonicTime
    /// When anything was last heard.
    private var lastHeardAt: MonotonicTime
    /// Failures in a row: since the link last worked for a while, or brought anything.
    public private(set) var attempt = 0
    /// When anything was last heard before the first of them, and how the last one ended.
    private var firstFailureAt: MonotonicTime?
    private var failedAs = ReplicaStateWord.backoff
    /// Something was applied or fetched since the last failure.
    private var hasBrought = false
    public private(set) var lastError: LinkError?
    /// What the engine that counts for the link holds; nil: no state.
    public private(set) var position: Position?
    /// Of the entry there.
    private var lastReign: Reign
    /// The full sync that has to be finished.
    public private(set) var pendingSync: FullSyncReason?
    /// Entries that only this node has were copied already, or there are none: the full sync that is
    /// pending needs no answer of the upstream any more.
    private var hasKeptTail = false
    /// While catching up: the index to reach before the swap.
    private var catchUpTarget: LogIndex?
    /// What this node believes; what it is told must be above it.
    private var known: TopologyVersion?
    /// Where the origin is, when it is the upstream itself.
    private var originIndex = LogIndex.zero

    /// How and since when the link has been failing, through all its tries; nil once it brings anything.
    public var failing: ReplicaStatus.Failing? {
        guard attempt > 0, !hasBrought, let firstFailureAt else { return nil }
        return ReplicaStatus.Failing(state: failedAs, since: firstFailureAt)
    }

    public static let connectMax = Duration.seconds(3)
    /// A heartbeat is due every second.
    public static let idleMax = Duration.seconds(3)
    /// Without an entry although the upstream has some.
    public static let stallMax = Duration.seconds(10)
    public static let backoffMin = Duration.milliseconds(100)
    public static let backoffMax = Duration.seconds(5)
    /// A stall is shown at least so long before the next attempt.
    static let stalledMin = Duration.milliseconds(500)
    /// A link that has streamed for so long has recovered: the next failure is a first one.
    static let settledAfter = Duration.seconds(1)

    /// Without a `position`, or at the origin, the node has no state; `lastReign` is of the entry
    /// there. `known` is the newest topology that this node believes in, `forced` a full sync that is
    /// wanted whatever the upstream says.
    public init(
        position: Position?, lastReign: Reign, known: TopologyVersion?, forced: FullSyncReason?,
        at now: MonotonicTime
    ) {
        self.position = position == .origin ? nil : position
        self.lastReign = lastReign
        self.known = known
        pendingSync = forced ?? (self.position == nil ? .empty : nil)
        since = now
        lastProgressAt = now
        lastHeardAt = now
    }

    /// Takes in what has happened, and answers what to do, in order. `chance` is uniform in 0..<1, and
    /// spreads retries.
    public mutating func take(
        _ event: Event, at now: MonotonicTime, chance: Double = 0.5
    ) -> [Action] {
        invariant((0..<1).contains(chance), "chance \(chance)")
        switch state {
        case .stopped:
            return []
        case .detached, .fenced:
            if case .stop = event { return enter(.stopped, at: now) }
            return []
        case .connecting, .handshake, .streaming, .fullSync, .backoff, .stalled:
            break
        }
        switch event {
        case .stop:
            return enter(.stopped, at: now) + [.closeLink]
        case .told(let what, let version):
            return told(what, version, at: now, chance: chance)
        case .failed(let failure):
            return fail(failure, at: now, chance: chance)
        case .tick:
            return tick(at: now, chance: chance)
        case .learned(let version):
            known = max(known ?? version, version)
            return []
        case .connected, .answered, .applied, .heartbeat, .ackWanted, .stage, .fetched, .loaded,
            .swapped:
            lastHeardAt = now
            return advance(event, at: now, chance: chance)
        }
    }

    private mutating func advance(
        _ event: Event, at now: MonotonicTime, chance: Double
    ) -> [Action] {
        switch (state, event) {
        case (.connecting, .connected):
            state = .handshake
            since = now
            return begin(at: now)
        case (.handshake, .answered(let answer)), (.fullSync(_, .catchUp), .answered(let answer)):
            return answered(answer, at: now, chance: chance)
        case (.streaming, .applied(let position, let reign)),
            (.fullSync(_, .catchUp), .applied(let position, let reign)):
            return applied(position, reign, at: now)
        case (.streaming, .heartbeat(let beat)), (.fullSync(_, .catchUp), .heartbeat(let beat)):
            return heard(beat, at: now, chance: chance)
        case (.streaming, .ackWanted):
            return [.acknowledge(atOnce: true)]
        case (.fullSync(let reason, _), .stage(let stage)):
            state = .fullSync(reason, stage)
            lastProgressAt = now
            return []
        case (.fullSync, .fetched):
            lastProgressAt = now
            hasBrought = true
            return []
        case (.fullSync(let reason, _), .loaded(let position, let reign)):
            state = .fullSync(reason, .catchUp)
            self.position = position
            lastReign = reign
            catchUpTarget = nil
            lastProgressAt = now
            return [.openStream(after: position)]
        case (.backoff, .applied(let position, let reign)),
            (.stalled, .applied(let position, let reign)),
            (.connecting, .applied(let position, let reign)):
            // The link was given up by the other thread while this group was being applied.
            self.position = position
            lastReign = reign
            hasBrought = true
            return []
        case (.backoff, .swapped), (.stalled, .swapped), (.connecting, .swapped):
            pendingSync = nil
            hasKeptTail = false
            return []
        case (.fullSync(_, .swap), .swapped):
            pendingSync = nil
            hasKeptTail = false
            lastError = nil
            attempt = 0
            _ = enter(.streaming, at: now)
            return [.acknowledge(atOnce: true)]
        default:
            // Late: of a link that has been given up.
            return []
        }
    }

    /// The connection stands: asks for entries, which is how histories are compared, or for a snapshot.
    private mutating func begin(at now: MonotonicTime) -> [Action] {
        // The upstream's answer to our position says what has to be kept before it is replaced.
        if let reason = pendingSync, hasKeptTail || position == nil {
            return startSync(reason, at: now)
        }
        guard let position else { return startSync(.empty, at: now) }
        return [.openStream(after: position)]
    }

    private mutating func startSync(_ reason: FullSyncReason, at now: MonotonicTime) -> [Action] {
        pendingSync = reason
        hasKeptTail = true
        _ = enter(.fullSync(reason, .prepare), at: now)
        return [.startFullSync(reason)]
    }

    mutating func enter(_ next: State, at now: MonotonicTime) -> [Action] {
        state = next
        since = now
        lastProgressAt = now
        lastHeardAt = now
        return []
    }
}

// MARK: - Events in detail

extension ReplicaMachine {
    private mutating func answered(
        _ answer: HandshakeAnswer, at now: MonotonicTime, chance: Double
    ) -> [Action] {
        switch answer {
        case .accepted(let reign, let last):
            if let ours = known?.reign, let reign, reign < ours {
                return fail(
                    .refused("lower-reign", "the upstream knows reign \(reign), this node \(ours)"),
                    at: now, chance: chance)
            }
            if case .fullSync = state {
                catchUpTarget = last
                return swapIfCaughtUp(at: now)
            }
            if let reason = pendingSync {
                // Wanted although the upstream has all that this node has: nothing to be kept.
                return startSync(reason, at: now)
            }
            _ = enter(.streaming, at: now)
            return [.acknowledge(atOnce: true)]
        case .notRetained(let hints, let detail):
            if case .fullSync = state { return staleSnapshot(detail, at: now, chance: chance) }
            // A log that begins behind this node's position may also be of another history.
            let reason = pendingSync ?? .positionNotRetained
            let keep = hints.map { [Action.keepDivergedTail($0)] } ?? []
            return keep + startSync(reason, at: now)
        case .diverged(let hints, let detail):
            if case .fullSync = state { return staleSnapshot(detail, at: now, chance: chance) }
            guard
                hints.map({ $0.lastReign > lastReign }) ?? false
                    || pendingSync == .historyDiverged
            else {
                return fail(
                    .refused(
                        "history-diverged",
                        "\(detail). Its reign is not above this node's \(lastReign), so nothing is "
                            + "replaced"), at: now, chance: chance)
            }
            return startDivergedSync(hints, at: now)
        case .refused(let code, let detail, let hints):
            // Who gives up a history of his own is not asked for its reign.
            if pendingSync == .historyDiverged, let hints, state == .handshake {
                return startDivergedSync(hints, at: now)
            }
            // Where two hashes of one reign part cannot be told: all of the log is kept.
            if let reason = pendingSync, code == "history-damaged", state == .handshake {
                return [.keepDivergedTail(nil)] + startSync(reason, at: now)
            }
            return fail(.refused(code, detail), at: now, chance: chance)
        }
    }

    private mutating func startDivergedSync(
        _ hints: HistoryHints?, at now: MonotonicTime
    ) -> [Action] {
        [.keepDivergedTail(hints)] + startSync(.historyDiverged, at: now)
    }

    /// The log has gone on without us since the snapshot was taken: another snapshot.
    private mutating func staleSnapshot(
        _ detail: String, at now: MonotonicTime, chance: Double
    ) -> [Action] {
        [.dropStaging]
            + fail(.refused("snapshot-too-old", detail), at: now, chance: chance)
    }

    private mutating func applied(
        _ position: Position, _ reign: Reign, at now: MonotonicTime
    ) -> [Action] {
        invariant(
            position.index > (self.position?.index ?? .zero),
            "applied \(position) after \(self.position?.description ?? "nothing")")
        self.position = position
        lastReign = reign
        lastProgressAt = now
        hasBrought = true
        settle(at: now)
        if case .fullSync = state { return swapIfCaughtUp(at: now) }
        return [.acknowledge(atOnce: false)]
    }

    private mutating func swapIfCaughtUp(at now: MonotonicTime) -> [Action] {
        guard case .fullSync(let reason, .catchUp) = state, let catchUpTarget, let position,
            position.index >= catchUpTarget
        else { return [] }
        state = .fullSync(reason, .swap)
        lastProgressAt = now
        return [.swap]
    }

    private mutating func heard(
        _ beat: Beat, at now: MonotonicTime, chance: Double
    ) -> [Action] {
        if let ours = known?.reign, beat.reign < ours, beat.isFresh {
            return fail(
                .refused(
                    "lower-reign", "the origin reigns in \(beat.reign), this node knows \(ours)"),
                at: now, chance: chance)
        }
        let isBehind = beat.isUpstream && beat.originIndex > (position?.index ?? .zero)
        if !isBehind { lastProgressAt = now }
        originIndex = beat.isUpstream ? beat.originIndex : .zero
        settle(at: now)
        return []
    }

    /// A link that has worked for a while has no failures in a row.
    private mutating func settle(at now: MonotonicTime) {
        guard state == .streaming, now - since >= ReplicaMachine.settledAfter else { return }
        attempt = 0
        lastError = nil
    }

    private mutating func told(
        _ what: Told, _ version: TopologyVersion, at now: MonotonicTime, chance: Double
    ) -> [Action] {
        guard known.map({ version > $0 }) ?? true else {
            return fail(
                .refused(
                    "not-in-topology",
                    "the upstream refuses this node by \(version), which is not above what it knows"
                ),
                at: now, chance: chance)
        }
        known = version
        switch what {
        case .removed: _ = enter(.detached(version), at: now)
        case .fenced: _ = enter(.fenced(version), at: now)
        }
        return [.closeLink]
    }

    private mutating func tick(at now: MonotonicTime, chance: Double) -> [Action] {
        switch state {
        case .connecting where now - since >= ReplicaMachine.connectMax:
            return fail(.silent(.connect), at: now, chance: chance)
        case .handshake where now - lastHeardAt >= ReplicaMachine.idleMax,
            .streaming where now - lastHeardAt >= ReplicaMachine.idleMax:
            return fail(.silent(.idle), at: now, chance: chance)
        case .streaming
        where now - lastProgressAt >= ReplicaMachine.stallMax
            && originIndex > (position?.index ?? .zero),
            .fullSync(_, .fetch) where now - lastProgressAt >= ReplicaMachine.stallMax,
            .fullSync(_, .catchUp) where now - lastProgressAt >= ReplicaMachine.stallMax:
            return fail(.silent(.total), at: now, chance: chance)
        case .backoff(let retry) where now >= retry.nextRetryAt,
            .stalled(let retry) where now >= retry.nextRetryAt:
            _ = enter(.connecting, at: now)
            return [.connect(deadline: now + ReplicaMachine.connectMax)]
        case .backoff(let retry), .stalled(let retry):
            return [.wait(until: retry.nextRetryAt)]
        case .connecting, .handshake, .streaming, .fullSync, .detached, .fenced, .stopped:
            return []
        }
    }

    private mutating func fail(
        _ failure: Failure, at now: MonotonicTime, chance: Double
    ) -> [Action] {
        switch state {
        case .backoff, .stalled: return []  // Of the link that has been given up already.
        case .connecting, .handshake, .streaming, .fullSync, .detached, .fenced, .stopped: break
        }
        if case .local(Failure.tailNotKeptCode, _) = failure {
            // The upstream is asked anew: a full sync may only begin once the tail is kept.
            hasKeptTail = false
            if pendingSync == .positionNotRetained { pendingSync = nil }
        }
        // What is wrong with the content, or at this node, is not mended by trying sooner.
        if hasBrought, failure.isOfTheWay { attempt = 0 }
        hasBrought = false
        if attempt == 0 { firstFailureAt = lastHeardAt }
        failedAs = failure.isSilence ? .stalled : .backoff
        attempt += 1
        let error = failure.error(at: now)
        lastError = error
        originIndex = .zero
        // 100 ms, 200, 400 … 5 s, spread by a quarter to both sides.
        let base = ReplicaMachine.backoffMin.inSeconds * Double(1 << min(attempt - 1, 10))
        var delay = Duration.seconds(
            min(base, ReplicaMachine.backoffMax.inSeconds) * (0.75 + chance / 2))
        delay = min(max(delay, ReplicaMachine.backoffMin), ReplicaMachine.backoffMax)
        if failure.isSilence { delay = max(delay, ReplicaMachine.stalledMin) }
        let retry = Retry(attempt: attempt, nextRetryAt: now + delay, lastError: error)
        _ = enter(failure.isSilence ? .stalled(retry) : .backoff(retry), at: now)
        return [.closeLink, .wait(until: retry.nextRetryAt)]
    }
}
