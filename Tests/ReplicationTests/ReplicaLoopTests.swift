import Engine
import Log
import Platform
import Replication
import Testing
import Topology

@Suite(.serialized, .timeLimit(.minutes(5))) struct ReplicaLoopTests {
    /// As a switchover's candidate gets the handover: from the moment on that it is in the log, its
    /// reports are refused.
    @Test func `a report that is refused does not cut off the entry that ends the link`() throws {
        let pair = try Pair(entries: 5)
        defer { pair.stop() }
        try pair.start()
        #expect(eventually { pair.isEqual() })
        #expect(eventually { pair.session.value?.status.state == .streaming })
        let here = pair.replica.position
        pair.server.faults.change { $0.heldAt = here }
        #expect(eventually { pair.server.faults.value.isHolding })
        let before = try #require(pair.primary.document.value)
        _ = try pair.primary.put("the last one", [1])
        try pair.primary.change(to: before, nodes: before.nodes, replicas: [])
        #expect(eventually { pair.server.faults.value.acksRefused > 0 })
        #expect(!pair.isEqual())
        pair.server.faults.change { $0.heldAt = nil }
        #expect(eventually { pair.isEqual() })
    }

    @Test func `an empty node takes a snapshot, then follows entry by entry`() throws {
        let pair = try Pair(entries: 200)
        defer { pair.stop() }
        try pair.start()
        #expect(eventually { pair.isEqual() })
        #expect(eventually { pair.session.value?.status.state == .streaming })
        #expect(pair.reasons() == [.empty])

        for number in 0..<50 { try pair.primary.put("later\(number)", [1, 2, UInt8(number)]) }
        #expect(eventually { pair.isEqual() })
        #expect(try pair.replica.value(of: "later49") == [1, 2, 49])
        #expect(try pair.replica.value(of: "k7") == noise(1024, seed: 7))
        #expect(pair.reasons() == [.empty])
        #expect(pair.server.faults.value.feedRequests == 1 || pair.hasStalled)
        #expect(eventually { pair.session.value?.status.origin?.position == pair.primary.position })
        #expect(
            eventually {
                guard let link = pair.source.links().first else { return false }
                return link.id == pair.session.value?.id
                    && link.acked == pair.primary.position.index && link.lag == Lag.none
            })
        // The lease is released, so the log is not pinned any more.
        #expect(eventually { pair.source.snapshots.oldestPinnedIndex == nil })
    }

    @Test func `a node that was away takes what it missed, without a full sync`() throws {
        let pair = try Pair(entries: 20)
        defer { pair.stop() }
        try pair.start()
        #expect(eventually { pair.isEqual() })
        pair.stopSession()
        for round in 0..<5 {
            try pair.primary.put("k0", [UInt8(round)])
            try pair.start(UInt64(round) + 2)
            #expect(eventually { pair.isEqual() })
            #expect(try pair.replica.value(of: "k0") == [UInt8(round)])
            pair.stopSession()
        }
        #expect(pair.reasons() == [.empty])
        #expect(pair.finished.value.count { $0 == .partial } == 5 || pair.hasStalled)
    }

    @Test func `a link that breaks is taken up again at the same entry`() throws {
        let pair = try Pair(entries: 5)
        defer { pair.stop() }
        try pair.start()
        #expect(eventually { pair.session.value?.status.state == .streaming })
        for round in 0..<5 {
            pair.server.cut()
            try pair.primary.put("k", [UInt8(round)])
            #expect(eventually { pair.isEqual() })
        }
        #expect(pair.reasons() == [.empty])
    }

    @Test func `a position that is not retained ends in a full sync with that reason`() throws {
        let pair = try Pair(entries: 20)
        defer { pair.stop() }
        try pair.start()
        #expect(eventually { pair.isEqual() })
        pair.stopSession()
        // Segments are 256 KiB.
        for number in 0..<600 {
            try pair.primary.put("x\(number)", [UInt8](repeating: 1, count: 1024))
        }
        let removed = try pair.primary.log.trim(
            keepingFrom: pair.primary.position.index, bytesMin: 0)
        #expect(removed.segments > 0)
        try pair.start(2)
        #expect(eventually { pair.isEqual() }, "\(String(describing: pair.session.value?.status))")
        #expect(eventually { pair.reasons() == [.empty, .positionNotRetained] })
    }

    @Test func `a transfer that is cut goes on where it was`() throws {
        let pair = try Pair(entries: 3000)
        defer { pair.stop() }
        pair.server.faults.change { $0.cutAfterFileBytes = 1_500_000 }
        try pair.start()
        #expect(eventually { pair.isEqual() })
        let faults = pair.server.faults.value
        #expect(faults.cutAfterFileBytes == nil, "the transfer was cut")
        #expect(faults.snapshotRequests == 2 || pair.hasStalled)
        #expect(eventually { pair.reasons() == [.empty] })
        let bytes = try #require(pair.fullSyncs.value.last).bytes
        // What is sent twice was under way in the sockets of four connections.
        #expect(UInt64(faults.fileBytesSent) < bytes + 4 << 20)
    }

    @Test func `a file that comes damaged is fetched anew once`() throws {
        let pair = try Pair(entries: 100)
        defer { pair.stop() }
        pair.server.faults.change { $0.damage = ("*", 1) }
        try pair.start()
        #expect(eventually { pair.isEqual() })
        #expect(pair.server.faults.value.snapshotRequests == 1 || pair.hasStalled)
    }

    @Test func `a file that stays damaged is reported, and tried again later`() throws {
        let pair = try Pair(entries: 100)
        defer { pair.stop() }
        pair.server.faults.change { $0.damage = ("CURRENT", 2) }
        try pair.start()
        // The status has it only until the next attempt has brought the state.
        #expect(eventually { pair.errors.value.contains { $0.code == "bad-data" } })
        #expect(eventually { pair.isEqual() })
    }

    @Test func `a silent upstream is stalled within 4 s, and followed again when it speaks`() throws
    {
        let pair = try Pair(entries: 5)
        defer { pair.stop() }
        try pair.start()
        var took = Duration.seconds(60)
        // A machine that stands still makes any one of them late, but not all.
        for _ in 0..<5 where took >= .seconds(4) {
            #expect(eventually { pair.session.value?.status.state == .streaming })
            let frozenAt = MonotonicTime.now()
            pair.server.faults.change { $0.isFrozen = true }
            let stalled = try #require(pair.status { $0.state == .stalled })
            took = MonotonicTime.now() - frozenAt
            #expect(stalled.lastError?.code == "idle-timeout")
            #expect(stalled.nextRetryAt != nil)
            pair.server.faults.change { $0.isFrozen = false }
        }
        #expect(took < .seconds(4))
        try pair.primary.put("k", [9])
        #expect(eventually { pair.isEqual() })
        #expect(pair.reasons() == [.empty])
    }

    @Test func `a session ends at once in the middle of a frozen transfer`() throws {
        let pair = try Pair(entries: 2000)
        defer { pair.stop() }
        pair.rate.value = 500_000
        // Not by this thread: if it stood still, the transfer would be over.
        pair.server.faults.change { $0.freezeAfterFileBytes = 500_000 }
        try pair.start()
        #expect(eventually { (pair.session.value?.status.fullSync?.bytesDone ?? 0) > 100_000 })
        #expect(eventually { pair.server.faults.value.isFrozen })
        let session = try #require(pair.session.value)
        var took = pair.timeToStopSession()
        #expect(session.status.state == .stopped)
        // A machine that stands still makes any one of them late, but not all.
        for number in 2...5 as ClosedRange<UInt64> where took >= .milliseconds(50) {
            try pair.start(number)
            #expect(eventually { pair.session.value?.status.state == .fullSync })
            took = pair.timeToStopSession()
        }
        #expect(took < .milliseconds(50))
        // The staging goes with the session.
        #expect(eventually { (try? FileSystem.list(pair.replica.data.path + "/data")) == [] })
        #expect(pair.replica.engine.value == nil)
    }

    @Test func `who is removed is refused at once, says detached, and has the document`() throws {
        let pair = try Pair(entries: 5)
        defer { pair.stop() }
        try pair.start()
        #expect(eventually { pair.session.value?.status.state == .streaming })
        let before = try #require(pair.primary.document.value)
        try pair.primary.change(to: before, nodes: before.nodes, replicas: [])
        let document = try #require(pair.primary.document.value)
        pair.source.enforce(document)
        #expect(pair.source.links().isEmpty)
        #expect(eventually { pair.session.value?.status.state == .detached })
        #expect(pair.session.value?.status.told?.document == document)
        try pair.primary.put("k", [1])
        #expect(pair.replica.position.index < pair.primary.position.index)
        guard case .notInTopology(let version)? = pair.words.value.last else {
            Issue.record("\(pair.words.value)")
            return
        }
        #expect(version?.version == document.version)
    }

    @Test func `a node that has written on its own keeps its entries and takes the others'`() throws
    {
        let pair = try Pair(entries: 10)
        defer { pair.stop() }
        try pair.start()
        #expect(eventually { pair.isEqual() })
        let fork = pair.primary.position
        pair.stopSession()
        // The primary writes on, unheard; the replica takes over in the next reign.
        for number in 0..<3 { try pair.primary.put("mine\(number)", [1]) }
        pair.primary.abdicate()
        let old = pair.primary
        let new = pair.replica
        let other = try Pair(primary: new, replica: old)
        defer { other.stop() }
        try new.takeOver(term: 2, replicas: old)
        try new.put("theirs", [2])
        #expect(old.position.index > new.position.index)

        try other.start()
        #expect(eventually { other.isEqual() })
        #expect(eventually { other.reasons() == [.historyDiverged] })
        #expect(try old.value(of: "mine0") == nil)
        #expect(try old.value(of: "theirs") == [2])
        let kept = other.finished.value.compactMap {
            if case .diverged(let index, let entries, let file) = $0 {
                (index, entries, file)
            } else {
                nil
            }
        }
        let tail = try #require(kept.first)
        #expect(kept.count == 1)
        #expect(tail.0 == fork.index)
        #expect(tail.1 == 3)
        var read = try #require(DivergedTail.read(try FileSystem.readAll(tail.2)))
        #expect(read.after == fork)
        var records = 0
        while try read.records.next() != nil { records += 1 }
        #expect(records == 3)
    }

    @Test func `a replica that is ahead of its upstream in the same reign waits`() throws {
        let pair = try Pair(entries: 5)
        defer { pair.stop() }
        try pair.start()
        #expect(eventually { pair.isEqual() })
        pair.stopSession()
        // A second node that has less, and feeds the first one.
        let behind = try TestNode(3)
        behind.lineage.value = pair.primary.lineage.value
        let incarnation = try behind.data.makeIncarnation()
        let engine = try Engine.create(
            in: incarnation, lineage: try #require(behind.lineage.value), options: behind.options())
        behind.engine.value = engine
        var reader = try pair.primary.log.reader(after: .origin)
        var stream = RecordStream(after: .origin)
        let chunk = try #require(try reader.next(bytesMax: 1 << 20, through: LogIndex(4)))
        stream.push(chunk.bytes)
        let run = try #require(try stream.nextRun(bytesMax: 1 << 20))
        try engine.apply(run.records, encoded: run.encoded)
        let before = try #require(pair.primary.document.value)
        try behind.change(
            to: before, nodes: before.nodes + [behind.record],
            replicas: [
                ReplicaSpec(node: behind.record.number, upstream: pair.primary.record.number),
                ReplicaSpec(node: pair.replica.record.number, upstream: behind.record.number),
            ])
        pair.replica.document.value = behind.document.value
        let cascade = try Pair(primary: behind, replica: pair.replica)
        defer { cascade.stop() }
        try cascade.start()
        #expect(eventually { cascade.session.value?.status.lastError?.code == "upstream-behind" })
        #expect(eventually { (cascade.session.value?.status.attempt ?? 0) >= 2 })
        #expect(cascade.reasons() == [])
        #expect(pair.isEqual())
    }
}
