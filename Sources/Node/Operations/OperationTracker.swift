import Engine
import Log
import Platform
import Replication
import Topology

/// Follows the operations that run, and ends them. What it knows beyond the log's records is gone
/// with a restart, and found again by looking at the nodes.
final class OperationTracker: Sendable {
    let tracked = Monitor(Tracked())

    /// How long a node may take to let itself be adopted.
    static let adoptionPatience: Duration = .seconds(60)

    struct Tracked {
        var byID: [String: Course] = [:]
        /// Nodes whose own data may be discarded when they are taken in.
        var discarding: Set<NodeNumber> = []
        var refusals: [NodeNumber: NodeReport.Failure] = [:]
        var looks = 0
        /// Operations of this node that are not in its log: it has no right to append yet.
        var local: [String: OperationRecord] = [:]
        /// Work of this node for itself, which no log will ever have: the one that runs, and the last
        /// ones that have ended, the oldest first.
        var upkeep: [OperationRecord] = []
        var isBidding = false
        /// Bids in a row, of this process, that came to nothing.
        var failedBids = 0
        var switchover: Switchover?
        /// What this node's last taking over took.
        var takeOver: Duration?
        /// The resync that this node, as a replica, was asked for last.
        var resync: (id: String, isWanted: Bool)?
    }

    /// The planned switchover that runs.
    struct Switchover {
        var id: String
        /// Who has cancelled it.
        var canceller: Credential?
        /// The handover is being appended: too late to cancel.
        var isClosed = false
    }

    func discardsData(of number: NodeNumber) -> Bool {
        tracked.withLock { $0.discarding.contains(number) }
    }

    /// Remembers that the next adoption of this node may discard its data.
    func allowDiscard(of number: NodeNumber) {
        tracked.withLock { _ = $0.discarding.insert(number) }
    }

    func noteAdoption(of number: NodeNumber, refusal: NodeReport.Failure?) {
        tracked.withLock { tracked in
            tracked.refusals[number] = refusal
            if refusal == nil { tracked.discarding.remove(number) }
        }
    }

    /// Why the node did not let itself be taken in, the last time.
    func refusal(of number: NodeNumber) -> NodeReport.Failure? {
        tracked.withLock { $0.refusals[number] }
    }

    /// False when `max` looks at new nodes run already.
    func beginLook(max: Int) -> Bool {
        tracked.withLock { tracked in
            guard tracked.looks < max else { return false }
            tracked.looks += 1
            return true
        }
    }

    func endLook() { tracked.withLock { $0.looks -= 1 } }

    /// False while a bid of a former primary runs already.
    func beginBid() -> Bool {
        tracked.withLock { tracked in
            defer { tracked.isBidding = true }
            return !tracked.isBidding
        }
    }

    func endBid() { tracked.withLock { $0.isBidding = false } }

    /// - Returns: How many had failed before.
    func countFailedBid() -> Int {
        tracked.withLock { tracked in
            defer { tracked.failedBids += 1 }
            return tracked.failedBids
        }
    }

    /// False when this node starts over for that operation already, or has done so.
    func beginResync(_ id: String) -> Bool {
        tracked.withLock { tracked in
            guard tracked.resync?.id != id else { return false }
            tracked.resync = (id, true)
            return true
        }
    }

    /// Whether a full sync is wanted though the own position would do.
    var wantsResync: Bool { tracked.withLock { $0.resync?.isWanted ?? false } }

    func endResync() { tracked.withLock { $0.resync?.isWanted = false } }

    /// Looks at every operation that runs. On the control loop.
    func evaluate(_ node: Node) {
        guard node.state.committer != nil, let catalog = node.engine?.state.catalog else { return }
        let running = catalog.operations.values.filter {
            $0.state == .running && ["add-node", "resync-node", "rollback"].contains($0.type)
        }
        tracked.withLock { tracked in
            let ids = Set(catalog.operations.keys).union(tracked.local.keys)
                .union(tracked.upkeep.map(\.id))
            tracked.byID = tracked.byID.filter { ids.contains($0.key) }
            for record in running where tracked.byID[record.id] == nil {
                tracked.byID[record.id] = Course(steps: OperationTracker.steps(of: record))
            }
        }
        for record in running { evaluate(record, node) }
        endOrphans(catalog, node)
    }

    /// A failover whose node died after its reign had begun has succeeded, whoever notes it. So has a
    /// switchover whose handover is in the log; one whose node died before is over.
    private func endOrphans(_ catalog: Catalog, _ node: Node) {
        let local = Set(localRecords.map(\.id))
        let (running, takeOver) = tracked.withLock { ($0.switchover?.id, $0.takeOver) }
        for var record in catalog.operations.values where record.state == .running {
            switch record.type {
            case "failover" where !local.contains(record.id):
                end(record, .succeeded, node)
            case "switchover" where record.id != running:
                guard var result = SwitchoverResult(text: record.result) else {
                    end(
                        record,
                        .failed(
                            code: "node-stopped",
                            detail: "the primary stopped, or was replaced, before the handover"),
                        node)
                    continue
                }
                if result.to == node.name.rawValue, let takeOver {
                    result.takeOverMilliseconds = SwitchoverResult.milliseconds(takeOver)
                    let steps = OperationResult.steps(OperationResult.parse(record.result))
                    record.result = OperationResult.text(result.text, with: steps ?? [])
                }
                end(record, .succeeded, node)
            default:
                break
            }
        }
    }

    private enum Verdict {
        case goesOn
        case succeeded
        case failed(code: String, detail: String)
    }

    private func evaluate(_ record: OperationRecord, _ node: Node) {
        let now = UnixMilliseconds.now()
        if record.type == "rollback" { return evaluateRollback(record, node, at: now) }
        guard let document = node.document,
            let member = NodeName(record.subject).flatMap({ document.node(named: $0) })
        else {
            return end(
                record, .failed(code: "node-removed", detail: "the node was removed meanwhile"),
                node)
        }
        let seen = node.peers.observation(of: member.number)
        let refusal = tracked.withLock { $0.refusals[member.number] }
        let status = seen?.isReachable == true ? seen?.status : nil
        let report = node.report(of: member, in: document)
        let isIn =
            report.running?.state == .streaming
            || status.map {
                $0.lineage == node.state.lineage && $0.number == member.number
            } ?? false
        let isThere = report.running?.state == .streaming || seen?.isReachable == true
        let silence = Silence(
            heardAt: isThere ? now : seen?.heardAt,
            since: max(record.createdAt, node.startedAt.wallClock), now: now)
        let verdict = tracked.withLock { tracked -> Verdict in
            guard var course = tracked.byID[record.id], !course.isEnding else { return .goesOn }
            if silence.isOver, course.hasBegun("sync") {
                return .failed(code: "node-unreachable", detail: silence.detail(record.type))
            }
            let verdict: Verdict
            if record.type == "add-node" && !isIn {
                verdict = OperationTracker.awaitAdoption(&course, record, refusal, now)
            } else {
                course.enter("sync", deadline: nil, at: now)
                course.progress = OperationTracker.progress(report)
                verdict = node.isInSync(report, since: record) ? .succeeded : .goesOn
            }
            tracked.byID[record.id] = course
            return verdict
        }
        end(record, verdict, node)
    }

    /// How long the node of an operation has not been heard. Pure.
    struct Silence: Equatable {
        /// When it last answered; nil: never.
        var heardAt: UnixMilliseconds?
        /// Since when it has been listened to.
        var since: UnixMilliseconds
        var now: UnixMilliseconds

        /// A node that is gone for so long may never come back.
        var isOver: Bool {
            let last = max(heardAt ?? since, since)
            let patience = UInt64(adoptionPatience.wholeMilliseconds)
            return now > last && now.rawValue - last.rawValue > patience
        }

        func detail(_ type: String) -> String {
            let later =
                type == "resync-node" ? "ask again when it is back" : "it syncs when it is back"
            return "the node has not answered for 60 s; \(later)"
        }
    }

    /// Codes of what may pass without anybody's doing: nobody there, a disk that cannot be written.
    private static let passing: Set = [
        "node-unreachable", "bad-answer", "internal-error", "not-ready", "busy",
    ]

    /// It is done when everything runs as it is configured.
    private func evaluateRollback(
        _ record: OperationRecord, _ node: Node, at now: UnixMilliseconds
    ) {
        let drift = node.driftReport()
        let deadline = UnixMilliseconds(
            rawValue: record.createdAt.rawValue
                + UInt64(OperationTracker.adoptionPatience.wholeMilliseconds))
        let verdict = tracked.withLock { tracked -> Verdict in
            guard var course = tracked.byID[record.id], !course.isEnding else { return .goesOn }
            course.enter("converge", deadline: deadline, at: now)
            tracked.byID[record.id] = course
            if drift.isConverged { return .succeeded }
            guard now > deadline else { return .goesOn }
            return .failed(
                code: "not-converged",
                detail:
                    "the generation is in force, but after 60 s not everything runs as it says; see /v1/topology/drift"
            )
        }
        end(record, verdict, node)
    }

    private static func awaitAdoption(
        _ course: inout Course, _ record: OperationRecord, _ refusal: NodeReport.Failure?,
        _ now: UnixMilliseconds
    ) -> Verdict {
        let deadline = UnixMilliseconds(
            rawValue: record.createdAt.rawValue + UInt64(adoptionPatience.wholeMilliseconds))
        course.enter("adopt", deadline: deadline, at: record.createdAt)
        if let refusal, !passing.contains(refusal.code), refusal.at >= record.createdAt {
            return .failed(code: refusal.code, detail: refusal.detail)
        }
        guard now > deadline else { return .goesOn }
        let last = refusal.map { "; last it said: \($0.detail)" } ?? ""
        return .failed(
            code: refusal?.code ?? "node-unreachable",
            detail:
                "the node did not let itself be taken in within 60 s; it stays in the topology, and is taken in when it can be\(last)"
        )
    }

    private static func progress(_ report: NodeReport) -> OperationView.Progress? {
        guard let sync = report.fullSync else { return nil }
        return OperationView.Progress(done: sync.bytesDone, total: sync.bytesTotal, unit: "bytes")
    }

    private func end(_ record: OperationRecord, _ verdict: Verdict, _ node: Node) {
        var record = record
        record.finishedAt = .now()
        switch verdict {
        case .goesOn:
            return
        case .succeeded:
            record.state = .succeeded
        case .failed(let code, let detail):
            record.state = .failed
            record.errorCode = code
            record.errorDetail = detail
        }
        tracked.withLock { tracked in
            var course =
                tracked.byID[record.id]
                ?? Course(
                    steps: OperationResult.steps(OperationResult.parse(record.result))
                        ?? OperationTracker.steps(of: record))
            let step = course.end(record.state)
            if record.state != .succeeded { record.result = OperationResult.ended(at: step) }
            record.result = OperationResult.text(record.result, with: course.steps)
            tracked.byID[record.id] = course
        }
        node.submit(PutOperation(record), needsSpace: false) { [self, id = record.id] result in
            guard case .failure = result else { return node.waits.poke() }
            // Tried again at the next beat.
            tracked.withLock { $0.byID[id]?.isEnding = false }
        }
    }
}
