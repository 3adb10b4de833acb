public import Log
public import Platform

/// The right to append, and the thread that uses it: exists only while this node is primary.
///
/// Group commit: whoever leads takes the changes that wait, decides them in order, and makes one
/// `write` to the log and one to the database of them. The committer's own thread leads, or, when
/// nothing else waits, a thread that hands over a change and waits for it without a deadline: that
/// saves it two switches of threads, which cost more than the commit (23,000/s with them and
/// 62,000/s without, in one run).
///
/// Invariants
///  1. One committer at a time has an engine, and one thread at a time leads.
///  2. Its reign is above every reign in the log: nobody appends in a reign it held before.
///  3. A change is called back once: after its group, or when it is not taken, or by ``stop(until:)``.
///  4. Nothing is appended after a handover.
public final class Committer: Sendable {
    public let engine: Engine
    public let reign: Reign
    private let queue = Monitor(Queue())

    /// Changes that may wait, and their bytes.
    public static let pendingMax = 65_536
    public static let pendingBytesMax = 256 << 20
    /// A data entry takes in further changes up to this size.
    static let entryBytesMax = 1 << 20
    /// A group takes in further changes up to this size.
    static let groupBytesMax = 4 << 20

    private struct Queue {
        var pending: [PendingChange] = []
        var bytes = 0
        /// A thread decides and writes.
        var isLed = false
        /// Changes wait undecided.
        var isHeld = false
        var isStopping = false
        var hasEnded = false

        /// Takes the changes of the next group out: at least one.
        mutating func takeGroup() -> [PendingChange] {
            if bytes <= Committer.groupBytesMax {
                defer {
                    pending = []
                    bytes = 0
                }
                return pending
            }
            var count = 0
            var taken = 0
            while count < pending.count,
                count == 0 || taken + pending[count].bytes <= Committer.groupBytesMax
            {
                taken += pending[count].bytes
                count += 1
            }
            defer {
                pending.removeFirst(count)
                bytes -= taken
            }
            return Array(pending.prefix(count))
        }
    }

    private struct PendingChange: Sendable {
        let kind: EntryKind
        let bytes: Int
        /// Decides, and answers what to call once the outcome is in the log.
        let decide: @Sendable (inout DecidingSection) -> @Sendable (Position) -> Void
        let abandon: @Sendable (CommitFailure) -> Void

        init<C: Change>(
            _ change: C,
            _ completion: @escaping @Sendable (Result<Committed<C.Answer>, CommitFailure>) -> Void
        ) {
            kind = change.kind
            bytes = change.bytes
            decide = { section in
                let before = section.openWrites
                do throws(Refusal) {
                    let answer = try change.decide(&section)
                    return { completion(.success(Committed(position: $0, answer: answer))) }
                } catch {
                    invariant(section.openWrites == before, "\(C.self) wrote, and then refused")
                    let refusal = error
                    return { _ in completion(.failure(.refused(refusal))) }
                }
            }
            abandon = { completion(.failure($0)) }
        }
    }

    /// Starts the reign. The first change must be the one that opens it in the log.
    public init(engine: Engine, reign: Reign) {
        invariant(
            reign > engine.state.header.reign,
            "reign \(reign) is not above \(engine.state.header.reign)")
        self.engine = engine
        self.reign = reign
        engine.beginCommitting()
        _ = WorkerThread(name: "committer") { [self] in run() }
    }

    /// Hands over a change. Returns at once; `completion` is called on the thread that leads, where
    /// it must be quick, or on this one when the change is not taken.
    public func submit<C: Change>(
        _ change: C,
        completion: @escaping @Sendable (Result<Committed<C.Answer>, CommitFailure>) -> Void
    ) {
        enqueue(PendingChange(change, completion))
    }

    /// Hands over a change and waits for it. Blocks the calling thread, which must be one of ours.
    /// Without a deadline that thread may lead a group, and is then blocked by the disk, too.
    ///
    /// - Returns: Nil when the deadline passed first; the change may still be committed.
    public func commit<C: Change>(
        _ change: C, until deadline: MonotonicTime = .distantFuture
    ) -> Result<Committed<C.Answer>, CommitFailure>? {
        let outcome = Monitor<Result<Committed<C.Answer>, CommitFailure>?>(nil)
        let pending = PendingChange(change) { result in outcome.update { $0 = result } }
        if deadline < .distantFuture || !leads(with: pending) { enqueue(pending) }
        return outcome.wait(until: deadline) { $0 }
    }

    /// Gives up the right to append: what waits is answered with ``CommitFailure/notPrimary``, and
    /// what is being written is finished. Blocks until then, at most until `deadline`.
    ///
    /// - Returns: Whether the committer has ended. If not, it still ends as soon as the disk lets it;
    ///   until then the engine must not be given entries of an upstream.
    @discardableResult
    public func stop(until deadline: MonotonicTime) -> Bool {
        queue.update { $0.isStopping = true }
        return queue.wait(until: deadline) { $0.hasEnded ? true : nil } ?? false
    }

    /// Changes that wait to be decided.
    public var waitingCount: Int { queue.withLock { $0.pending.count } }

    /// From here on changes wait undecided, until ``release()``, ``handOver(_:)`` or a stop. Blocks
    /// until what is being written is finished, at most until `deadline`.
    ///
    /// - Returns: False when it was stopped, or the deadline passed; nothing is held then.
    public func hold(until deadline: MonotonicTime) -> Bool {
        queue.update { $0.isHeld = true }
        let isHeld = queue.wait(until: deadline) { queue -> Bool? in
            if queue.isStopping { return false }
            return queue.isLed ? nil : true
        }
        if isHeld != true { release() }
        return isHeld ?? false
    }

    /// Decides what waits, and goes on.
    public func release() { queue.update { $0.isHeld = false } }

    /// Makes `change` the last entry of this reign: what waits is answered with
    /// ``CommitFailure/notPrimary``, and nothing is appended after it. Only while held. Blocks on the
    /// disk.
    ///
    /// - Returns: What became of the change; after a failure changes are still held.
    public func handOver<C: Change>(
        _ change: C
    ) -> Result<Committed<C.Answer>, CommitFailure> {
        let mayLead = queue.withLock { queue in
            guard queue.isHeld, !queue.isStopping, !queue.isLed else { return false }
            queue.isLed = true
            return true
        }
        guard mayLead else { return .failure(.notPrimary) }
        let outcome = Monitor<Result<Committed<C.Answer>, CommitFailure>?>(nil)
        commit([PendingChange(change) { result in outcome.withLock { $0 = result } }])
        guard let result = outcome.withLock({ $0 }) else {
            invariant(false, "a group ended without calling its change back")
            return .failure(.notPrimary)
        }
        queue.update { queue in
            queue.isLed = false
            if case .success = result { queue.isStopping = true }
        }
        return result
    }

    private func enqueue(_ change: PendingChange) {
        var failure: CommitFailure?
        let isFirst = queue.withLock { queue -> Bool in
            if queue.isStopping {
                failure = .notPrimary
                return false
            }
            guard queue.pending.count < Committer.pendingMax,
                queue.bytes + change.bytes <= Committer.pendingBytesMax
            else {
                failure = .busy
                return false
            }
            queue.pending.append(change)
            queue.bytes += change.bytes
            return queue.pending.count == 1 && !queue.isLed
        }
        // Who leads looks for more before it stops leading: only the first must wake the thread.
        if isFirst { queue.update { _ in } }
        if let failure { change.abandon(failure) }
    }

    /// Commits `change` on the calling thread, unless others wait or lead.
    private func leads(with change: PendingChange) -> Bool {
        let mayLead = queue.withLock { queue in
            guard !queue.isStopping, !queue.isHeld, !queue.isLed, queue.pending.isEmpty else {
                return false
            }
            queue.isLed = true
            return true
        }
        guard mayLead else { return false }
        commit([change])
        let isWanted = queue.withLock { queue in
            queue.isLed = false
            return queue.isStopping || queue.isHeld || !queue.pending.isEmpty
        }
        if isWanted { queue.update { _ in } }
        return true
    }

    private func run() {
        while let group = nextGroup() {
            commit(group)
            let isAwaited = queue.withLock { queue in
                queue.isLed = false
                return queue.isHeld
            }
            if isAwaited { queue.update { _ in } }
        }

        let left = queue.withLock { queue in
            defer {
                queue.pending = []
                queue.bytes = 0
            }
            return queue.pending
        }
        for change in left { change.abandon(.notPrimary) }
        engine.endCommitting()
        queue.update { $0.hasEnded = true }
    }

    /// Waits for changes, takes the next group, and leads; nil once stopped.
    private func nextGroup() -> [PendingChange]? {
        queue.wait(until: .distantFuture) { queue -> [PendingChange]?? in
            if queue.isLed { return nil }
            if queue.isStopping { return .some(nil) }
            if queue.isHeld || queue.pending.isEmpty { return nil }
            queue.isLed = true
            return queue.takeGroup()
        } ?? nil
    }

    /// One group; in several turns when its changes write more than they said. The caller leads.
    private func commit(_ group: [PendingChange]) {
        var rest = group[...]
        while !rest.isEmpty { rest = rest.dropFirst(commitSome(of: rest)) }
    }

    /// - Returns: How many of the first changes were decided and called back.
    private func commitSome(of group: ArraySlice<PendingChange>) -> Int {
        var section = DecidingSection(
            engine: engine, reign: reign, now: max(engine.options.wallClock(), engine.time))
        var finishers: [(finish: @Sendable (Position) -> Void, place: Int)] = []
        finishers.reserveCapacity(group.count)
        var open: EntryKind?

        for change in group {
            if section.groupBytes > Committer.groupBytesMax { break }
            if let kind = open,
                change.kind != kind || kind != .data
                    || section.openBytes + change.bytes > Committer.entryBytesMax
            {
                section.record(kind)
            }
            open = change.kind
            finishers.append((change.decide(&section), section.records.count))
        }
        if let open { section.record(open) }

        if !section.records.isEmpty {
            engine.perform(section.transition, section.records, encoded: nil)
        }
        let last = section.header.position
        for (finish, place) in finishers {
            finish(place < section.records.count ? section.records[place].position : last)
        }
        return finishers.count
    }
}
