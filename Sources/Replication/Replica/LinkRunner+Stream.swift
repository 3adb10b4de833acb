import Engine
import HTTPClient
import Log
import Platform
import Topology

extension LinkRunner {
    /// What a stream has found while it ran.
    private struct Course {
        var stream: RecordStream
        /// Why it was broken off from this side.
        var failure: Failure?
        var isSessionOver = false
        /// What is to be done instead of streaming.
        var instead: [Action]?
        /// Of the log, while a full sync catches up.
        var bytes: UInt64 = 0
        var rate = TransferRate()
    }

    /// Follows the upstream's log until the link ends. Blocks for as long as it lasts.
    ///
    /// - Returns: What to do next.
    func stream(after position: Position) -> [Action] {
        guard let engine = staged?.engine ?? environment.engine(),
            engine.state.position == position
        else {
            return session.take(
                .failed(.local("state-changed", "the state is not at \(position) any more")))
        }
        let header = engine.state.header
        var course = Course(
            stream: RecordStream(
                after: position, lastTime: header.time, lastReign: header.reign))
        session.note { $0.received = position.index }
        session.limit(client, isLimited: staged != nil)
        defer { session.limit(client, isLimited: false) }
        let path =
            "/replication/log?after=\(position.index)&hash=\(position.hash.hex)&reign=\(header.reign)"
        do throws(PeerError) {
            try client.stream(
                path, deadlines: FetchDeadlines(),
                onHead: { head in
                    accept(head, &course) ? nil : "the upstream's head is not acceptable"
                },
                onBytes: { bytes in consume(bytes, into: engine, &course) })
        } catch {
            if course.isSessionOver { return [] }
            return course.instead ?? session.take(event(for: error))
        }
        if course.isSessionOver {
            endSession()
            return []
        }
        return course.instead
            ?? session.take(
                .failed(course.failure ?? .unreachable("the upstream ended the stream")))
    }

    /// Takes in the head of a stream that begins.
    private func accept(_ head: ResponseHead, _ course: inout Course) -> Bool {
        guard let peer = PeerIdentity(header: head.header),
            let last = head.header(Feed.lastIndexHeader).flatMap({ UInt64(decimal: $0) }),
            peer.lineage == environment.identity().lineage
        else { return false }
        let wasSyncing = session.read { $0.machine.pendingSync != nil }
        let actions = session.take(
            .answered(.accepted(reign: peer.reign, last: LogIndex(last))))
        if case .fullSync(_, .prepare) = session.read({ $0.machine.state }) {
            course.instead = actions
            return false
        }
        guard performInline(actions) else { return false }
        if !wasSyncing {
            environment.finished(.partial)
            environment.dataDirectory.dropInterrupted()
        }
        return true
    }

    /// Applies what has come. False ends the stream.
    private func consume(_ bytes: [UInt8], into engine: Engine, _ course: inout Course) -> Bool {
        guard !session.isStopped else { return false }
        course.stream.push(bytes)
        if staged != nil { showCatchUp(bytes.count, &course) }
        do {
            while true {
                if let run = try course.stream.nextRun(bytesMax: LinkRunner.runBytesMax) {
                    guard try apply(run, to: engine, &course) else { return false }
                } else if let frame = try course.stream.next() {
                    guard note(frame) else { return false }
                } else {
                    return true
                }
            }
        } catch let fault as RecordFault {
            course.failure = .badData("the stream is damaged: \(fault.words)")
        } catch let error as EngineError {
            course.failure = .local("apply-failed", "\(error)")
        } catch {
            course.failure = .local("apply-failed", "\(error)")
        }
        return false
    }

    private func showCatchUp(_ bytes: Int, _ course: inout Course) {
        let now = MonotonicTime.now()
        course.bytes += UInt64(bytes)
        course.rate.note(course.bytes, at: now)
        let speed = course.rate.bytesPerSecond(course.bytes, at: now)
        session.note { $0.progress?.bytesPerSecond = speed }
    }

    /// Most bytes of entries that are applied as one group.
    private static var runBytesMax: Int { 1 << 20 }

    private func apply(
        _ run: RecordRun, to engine: Engine, _ course: inout Course
    ) throws(EngineError) -> Bool {
        guard let last = run.records.last else { return true }
        guard try environment.apply(session.number, engine, run.records, run.encoded) else {
            course.isSessionOver = true
            return false
        }
        session.note { $0.received = last.position.index }
        return performInline(session.take(.applied(last.position, last.reign)))
    }

    private func note(_ frame: WireFrame) -> Bool {
        switch frame {
        case .record: return true
        case .ackWanted: return performInline(session.take(.ackWanted))
        case .heartbeat(let payload):
            let now = MonotonicTime.now()
            let origin = OriginHeartbeat(payload, receivedAt: now)
            session.note { $0.origin = origin }
            let beat = ReplicaMachine.Beat(
                originIndex: origin.position.index, reign: origin.reign,
                isUpstream: origin.reign.holder == session.upstream.number,
                isFresh: origin.ageThen < OriginHeartbeat.ageMax)
            // The idle deadline is the connection's; the stall deadline is looked at here.
            return performInline(session.take(.heartbeat(beat)) + session.take(.tick))
        }
    }

    /// Performs what the machine wants while the stream goes on. False: it does not go on.
    private func performInline(_ actions: [Action]) -> Bool {
        for action in actions {
            switch action {
            case .swap: guard swap() else { return false }
            case .closeLink: return false
            case .acknowledge, .connect, .wait, .dropStaging, .keepDivergedTail, .openStream,
                .startFullSync:
                break
            }
        }
        return !session.isStopped
    }

    /// Makes the new state the one that serves.
    func swap() -> Bool {
        guard let staged else { return false }
        do throws(EngineError) {
            let summary = FullSyncSummary(
                reason: staged.reason, bytes: staged.bytes,
                seconds: (MonotonicTime.now() - staged.startedAt).inSeconds)
            guard try environment.install(session.number, staged.engine, summary) else {
                endSession()
                return false
            }
        } catch {
            _ = session.take(.failed(.local("install-failed", "\(error)")))
            return false
        }
        self.staged = nil
        staging = nil
        session.limit(client, isLimited: false)
        session.note {
            $0.releasable = staged.snapshot
            $0.progress = nil
        }
        return performInline(session.take(.swapped))
    }
}
