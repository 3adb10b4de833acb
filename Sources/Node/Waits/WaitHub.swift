import Engine
import Log
public import Platform
import Topology

/// Everybody who waits for something to become true, looked at by one thread: at every change, but
/// not more often than each 10 ms, and at least each 100 ms.
public final class WaitHub: Sendable {
    private let table = Monitor(Table())

    public static let waitersMax = 256
    public static let timeoutMax: Duration = .seconds(600)
    private static let pause: Duration = .milliseconds(10)
    private static let beat: Duration = .milliseconds(100)

    private struct Table {
        var waiters: [UInt64: Waiter] = [:]
        var next: UInt64 = 0
        var isPoked = false
        var isStopping = false
    }

    private struct Waiter: Sendable {
        var subject: WaitSubject
        var predicates: [WaitPredicate]
        var stableFor: Duration
        var deadline: MonotonicTime
        /// Since when all predicates hold without a break.
        var heldSince: MonotonicTime?
        /// Whether nobody wants the answer any more.
        var isAbandoned: @Sendable () -> Bool
        var completion: @Sendable (WaitOutcome) -> Void
    }

    init() {}

    /// Calls `completion` once: when all predicates have held for `stableFor`, or at the deadline.
    ///
    /// - Returns: False when too many wait already; `completion` is then not called.
    public func wait(
        for subject: WaitSubject, _ predicates: [WaitPredicate], stableFor: Duration,
        until deadline: MonotonicTime, isAbandoned: @escaping @Sendable () -> Bool = { false },
        completion: @escaping @Sendable (WaitOutcome) -> Void
    ) -> Bool {
        table.update { table in
            guard table.waiters.count < WaitHub.waitersMax, !table.isStopping else { return false }
            table.next += 1
            table.waiters[table.next] = Waiter(
                subject: subject, predicates: predicates, stableFor: stableFor,
                deadline: deadline, isAbandoned: isAbandoned, completion: completion)
            table.isPoked = true
            return true
        }
    }

    /// How many wait.
    public var count: Int { table.withLock { $0.waiters.count } }

    /// Something may have become true.
    func poke() {
        table.update { table in
            if !table.waiters.isEmpty { table.isPoked = true }
        }
    }

    /// Ends every wait.
    func stop() {
        let left = table.update { table in
            table.isStopping = true
            defer { table.waiters = [:] }
            return Array(table.waiters.values)
        }
        for waiter in left { waiter.completion(.stopping) }
    }

    func start(_ node: Node) {
        _ = WorkerThread(name: "waits") { [self] in
            while sleep() { evaluate(node) }
        }
    }

    /// Waits for a poke or the beat; false once stopped.
    private func sleep() -> Bool {
        let isOver = table.wait(until: .now() + WaitHub.pause) { $0.isStopping ? true : nil }
        if isOver == true { return false }
        return table.wait(until: .now() + WaitHub.beat) { table -> Bool? in
            if table.isStopping { return false }
            guard table.isPoked else { return nil }
            table.isPoked = false
            return true
        } ?? true
    }

    private func evaluate(_ node: Node) {
        let waiters = table.withLock { $0.waiters }
        guard !waiters.isEmpty else { return }
        let now = MonotonicTime.now()
        let view = WaitView(node, of: waiters.values.map(\.subject))
        var ended: [UInt64: WaitOutcome] = [:]
        var held: [UInt64: MonotonicTime?] = [:]
        for (id, waiter) in waiters {
            if waiter.isAbandoned() {
                ended[id] = .gone
                continue
            }
            let outcome = view.outcome(of: waiter.subject, waiter.predicates)
            switch outcome {
            case .met:
                let since = waiter.heldSince ?? now
                if now - since >= waiter.stableFor {
                    ended[id] = outcome
                } else if now >= waiter.deadline {
                    ended[id] = .unmet(waiter.predicates)
                } else {
                    held[id] = .some(since)
                    continue
                }
            case .unmet:
                guard now >= waiter.deadline else {
                    held[id] = .some(nil)
                    continue
                }
                ended[id] = outcome
            case .operationFailed, .gone, .stopping:
                ended[id] = outcome
            }
        }
        // Whoever `stop` has ended meanwhile is not in the table any more.
        let mine = table.withLock { table in
            for (id, since) in held { table.waiters[id]?.heldSince = since }
            return ended.keys.compactMap { id in
                table.waiters.removeValue(forKey: id).map { (id, $0.completion) }
            }
        }
        for (id, completion) in mine {
            if let outcome = ended[id] { completion(outcome) }
        }
    }
}

/// What predicates are compared with: made once for all who wait.
private struct WaitView {
    private let sync: SyncReport
    private let operations: [String: OperationView]
    private let own: String

    init(_ node: Node, of subjects: [WaitSubject]) {
        sync = node.sync()
        own = node.name.rawValue
        var operations: [String: OperationView] = [:]
        for case .operation(let id) in subjects { operations[id] = node.operation(id) }
        self.operations = operations
    }

    func outcome(of subject: WaitSubject, _ predicates: [WaitPredicate]) -> WaitOutcome {
        switch subject {
        case .sync:
            return outcome(predicates) { holds($0) }
        case .node(let name):
            let name = name == "self" ? own : name
            guard let report = sync.nodes.first(where: { $0.name == name }) else { return .gone }
            return outcome(predicates) { WaitView.holds($0, of: report) }
        case .operation(let id):
            guard let operation = operations[id] else { return .gone }
            switch operation.record.state {
            case .running: return .unmet(predicates)
            case .succeeded: return .met(sync)
            case .failed, .cancelled: return .operationFailed
            }
        }
    }

    private func outcome(
        _ predicates: [WaitPredicate], _ holds: (WaitPredicate) -> Bool
    ) -> WaitOutcome {
        let unmet = predicates.filter { !holds($0) }
        return unmet.isEmpty ? .met(sync) : .unmet(unmet)
    }

    private func holds(_ predicate: WaitPredicate) -> Bool {
        switch predicate {
        case .inSync: sync.inSync
        case .inSyncReplicas(let count): sync.inSyncReplicas >= count
        case .converged: sync.converged
        case .generation(let generation): sync.generation.map { $0 >= generation } ?? false
        case .applied, .state, .done: false
        }
    }

    private static func holds(_ predicate: WaitPredicate, of report: NodeReport) -> Bool {
        switch predicate {
        case .applied(let index): report.position.map { $0.index >= index } ?? false
        case .state(let state): report.running?.state == state
        case .inSync, .inSyncReplicas, .converged, .generation, .done: false
        }
    }
}
