public import Log
public import Platform

/// The right to append, and the thread that uses it: exists only while this node is primary.
///
/// Group commit: the thread takes all changes that wait, decides them in order, and makes one
/// `write` to the log and one to the database of them. Whoever hands over a change is called back
/// on this thread once it is in both.
///
/// Invariants
///  1. One committer at a time has an engine.
///  2. Its reign is above every reign in the log: nobody appends in a reign it held before.
public final class Committer: Sendable {
    public let engine: Engine
    public let reign: Reign
    private let queue = Monitor(Queue())

    /// Changes that may wait, and their bytes.
    public static let pendingMax = 65_536
    public static let pendingBytesMax = 256 << 20
    /// A data entry takes in further changes up to this size.
    static let groupBytesMax = 1 << 20

    private struct Queue {
        var pending: [PendingChange] = []
        var bytes = 0
        var isStopping = false
        /// Held writes of a switchover wait here.
        var hasEnded = false
    }

    private struct PendingChange: Sendable {
        let kind: EntryKind
        let bytes: Int
        /// Decides, and answers what to call once the outcome is in the log.
        let decide: @Sendable (inout DecidingSection) -> @Sendable (Position) -> Void
        let abandon: @Sendable (CommitFailure) -> Void
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

    /// Hands over a change. Returns at once; `completion` is called on the committer's thread, or on
    /// this one when the change is not taken.
    public func submit<C: Change>(
        _ change: C, completion: @escaping @Sendable (Result<Committed<C.Answer>, CommitFailure>) -> Void
    ) {
        let pending = PendingChange(
            kind: change.kind, bytes: change.bytes,
            decide: { section in
                do throws(Refusal) {
                    let answer = try change.decide(&section)
                    return { completion(.success(Committed(position: $0, answer: answer))) }
                } catch {
                    let refusal = error
                    return { _ in completion(.failure(.refused(refusal))) }
                }
            },
            abandon: { completion(.failure($0)) })
        let failure = queue.update { queue -> CommitFailure? in
            if queue.isStopping { return .notPrimary }
            guard queue.pending.count < Committer.pendingMax,
                queue.bytes + pending.bytes <= Committer.pendingBytesMax
            else { return .busy }
            queue.pending.append(pending)
            queue.bytes += pending.bytes
            return nil
        }
        if let failure { pending.abandon(failure) }
    }

    /// Hands over a change and waits for it. Blocks the calling thread, which must be one of ours.
    public func commit<C: Change>(
        _ change: C, until deadline: MonotonicTime = .distantFuture
    ) -> Result<Committed<C.Answer>, CommitFailure>? {
        let outcome = Monitor<Result<Committed<C.Answer>, CommitFailure>?>(nil)
        submit(change) { result in outcome.update { $0 = result } }
        return outcome.wait(until: deadline) { $0 }
    }

    /// Gives up the right to append: what waits is answered with ``CommitFailure/notPrimary``, and
    /// what is being written is finished. Blocks until then, at most until `deadline`.
    ///
    /// - Returns: Whether the committer has ended.
    @discardableResult
    public func stop(until deadline: MonotonicTime) -> Bool {
        queue.update { $0.isStopping = true }
        return queue.wait(until: deadline) { $0.hasEnded ? true : nil } ?? false
    }

    private func run() {
        while let group = nextGroup() { commit(group) }

        let left = queue.withLock { queue in
            defer { queue.pending = [] }
            return queue.pending
        }
        for pending in left { pending.abandon(.notPrimary) }
        engine.endCommitting()
        queue.update { $0.hasEnded = true }
    }

    /// Waits for changes and takes all; nil once stopped.
    private func nextGroup() -> [PendingChange]? {
        queue.wait(until: .distantFuture) { queue -> [PendingChange]?? in
            if queue.isStopping { return .some(nil) }
            if queue.pending.isEmpty { return nil }
            defer {
                queue.pending = []
                queue.bytes = 0
            }
            return queue.pending
        } ?? nil
    }

    private func commit(_ group: [PendingChange]) {
        var section = DecidingSection(engine: engine, reign: reign, now: .now())
        var finishers: [(finish: @Sendable (Position) -> Void, position: Int)] = []
        var open: EntryKind?

        for pending in group {
            if let kind = open,
                pending.kind != kind || kind != .data
                    || section.openBytes + pending.bytes > Committer.groupBytesMax
            {
                section.record(kind)
            }
            open = pending.kind
            finishers.append((pending.decide(&section), section.records.count))
        }
        if let open { section.record(open) }

        if !section.records.isEmpty {
            engine.perform(section.transition, section.records, encoded: nil)
        }
        let last = section.header.position
        for (finish, place) in finishers {
            finish(place < section.records.count ? section.records[place].position : last)
        }
    }
}
