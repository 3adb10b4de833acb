import Engine
import Log
import Platform
import Testing

/// The primary and a replica come to the same state from the same entries.
@Suite struct ReplicaTests {
    private func replica(_ directory: TestDirectory, _ name: String = "replica") throws -> Engine {
        try Engine.create(
            in: Incarnation(path: "\(directory.path)/\(name)"), lineage: testLineage,
            options: .test())
    }

    /// A primary that did a bit of everything; its committer has stopped.
    private func primary(_ directory: TestDirectory, seed: UInt64 = 1) throws -> Engine {
        let (engine, committer) = try Engine.found(in: directory.incarnation)
        try committer.create("a", "b", "c")
        let done = Monitor(0)
        var random = SplitMix64(seed: seed)
        let count = 400
        for _ in 0..<count {
            let step = Step.random(&random, known: [], engine.time)
            step.submit(to: committer) { _ in done.update { $0 += 1 } }
        }
        _ = done.wait(until: soon) { $0 == count ? true : nil }
        committer.stop(until: soon)
        return engine
    }

    private func expectEqual(_ a: Engine, _ b: Engine) throws {
        #expect(a.state.header == b.state.header)
        #expect(a.log.last == b.log.last)
        let names = a.state.catalog.namespaces(after: nil, prefix: "", countMax: 100)
            .map(\.record)
        #expect(
            names
                == b.state.catalog.namespaces(after: nil, prefix: "", countMax: 100).map(\.record))
        #expect(a.state.catalog.tokens == b.state.catalog.tokens)
        #expect(a.state.catalog.reigns == b.state.catalog.reigns)
        for name in names.map(\.name) {
            #expect(try a.namespace(name).currentUsage == b.namespace(name).currentUsage)
            let (left, right) = try (a.contents(name), b.contents(name))
            #expect(left.map(\.key) == right.map(\.key))
            #expect(left.map(\.value) == right.map(\.value))
        }
    }

    @Test(arguments: [1, 700, 256 << 10])
    func `a replica that applies the primary's bytes has its state`(runBytes: Int) throws {
        let directory = try TestDirectory()
        let primary = try primary(directory)
        let replica = try replica(directory)
        for run in try primary.runs(after: .origin, bytesMax: runBytes) {
            try replica.apply(run.records, encoded: run.encoded)
        }
        try expectEqual(primary, replica)
        // Its log has the same bytes, so a third node can follow it.
        let third = try self.replica(directory, "third")
        for run in try replica.runs(after: .origin) {
            try third.apply(run.records, encoded: run.encoded)
        }
        try expectEqual(primary, third)
    }

    @Test func `a replica that was killed goes on from its own position`() throws {
        let directory = try TestDirectory()
        let primary = try primary(directory, seed: 2)
        var replica = try replica(directory)
        for (place, run) in try primary.runs(after: .origin, bytesMax: 1_000).enumerated() {
            try replica.apply(run.records, encoded: run.encoded)
            if place % 7 == 3 { try replica.flush() }
            if place % 5 == 4 {
                let copy = try directory.copy(of: replica, "crash-\(place)")
                replica = try Engine.reopen(copy).engine
            }
        }
        try expectEqual(primary, replica)
    }

    @Test func `a replica that becomes primary goes on in the next reign`() throws {
        let directory = try TestDirectory()
        let primary = try primary(directory)
        let replica = try replica(directory)
        for run in try primary.runs(after: .origin) {
            try replica.apply(run.records, encoded: run.encoded)
        }
        let committer = Committer(
            engine: replica, reign: Reign(term: 2, holder: NodeNumber(rawValue: 2)))
        try committer.put(.default, "after", "1")
        committer.stop(until: soon)
        for run in try replica.runs(after: primary.state.position) {
            try primary.apply(run.records, encoded: run.encoded)
        }
        try expectEqual(primary, replica)
    }

    // MARK: - What does not follow

    /// Expects that `records` are refused, and that nothing was done.
    private func expectRefused(_ records: [Record], by engine: Engine) throws {
        let before = engine.state.header
        #expect {
            try engine.apply(records, encoded: records.flatMap { $0.encode() })
        } throws: { error in
            if case EngineError.notNext = error { true } else { false }
        }
        #expect(engine.state.header == before)
        #expect(engine.log.last == before.position)
    }

    @Test func `a wrong record is refused, and nothing is done`() throws {
        let directory = try TestDirectory()
        let primary = try primary(directory)
        let records = try primary.runs(after: .origin).flatMap(\.records)
        let replica = try replica(directory)
        try replica.apply(Array(records[..<9]), encoded: records[..<9].flatMap { $0.encode() })
        let (last, next) = (records[8], records[9])

        try expectRefused([records[10]], by: replica)  // A gap.
        try expectRefused([last], by: replica)  // A second time.
        try expectRefused([next, records[11]], by: replica)  // A gap in the middle.

        func record(
            after position: Position? = nil, reign: Reign? = nil, kind: EntryKind? = nil,
            time: UnixMilliseconds? = nil, payload: [UInt8]? = nil
        ) -> Record {
            Record(
                after: position ?? last.position, reign: reign ?? next.reign,
                kind: kind ?? next.kind, time: time ?? next.time, payload: payload ?? next.payload)
        }
        // Of another chain: the right index after another hash.
        let other = Position(index: last.position.index, hash: Hash128(high: 1, low: 2))
        try expectRefused([record(after: other)], by: replica)
        try expectRefused(
            [record(reign: Reign(term: 0, holder: NodeNumber(rawValue: 9)))], by: replica)
        try expectRefused([record(time: UnixMilliseconds(rawValue: 1))], by: replica)
        try expectRefused([record(payload: [])], by: replica)
        try expectRefused([record(payload: Array(next.payload.dropLast()))], by: replica)
        try expectRefused([record(payload: next.payload + [0])], by: replica)

        // And what follows is still taken.
        try replica.apply([next], encoded: next.encode())
        #expect(replica.state.position == next.position)
    }

    @Test func `an entry writes only where its kind may`() throws {
        let directory = try TestDirectory()
        let primary = try primary(directory)
        let records = try primary.runs(after: .origin).flatMap(\.records)
        let replica = try replica(directory)
        try replica.apply(records, encoded: records.flatMap { $0.encode() })

        func refuse(_ kind: EntryKind, _ fill: (inout WriteOperations) -> Void) throws {
            var operations = WriteOperations()
            fill(&operations)
            let payload: [UInt8] =
                [1] + words(operations.count) + words(0) + operations.bytes
            try expectRefused(
                [
                    Record(
                        after: replica.state.position, reign: replica.state.header.reign,
                        kind: kind,
                        time: replica.state.header.time, payload: payload)
                ], by: replica)
        }
        let data = [KeyPrefix.data, 0, 0, 0, 1, 0, 0, 0, 1, 7]
        try refuse(.data) { $0.put([KeyPrefix.header], [1]) }
        try refuse(.data) { $0.put([KeyPrefix.catalog, 1, 0, 0, 0, 1], [1]) }
        try refuse(.data) { $0.delete([KeyPrefix.counters, 0, 0, 0, 1]) }
        try refuse(.data) { $0.put([KeyPrefix.data], [1]) }
        try refuse(.data) { $0.deleteRange(from: data, to: [KeyPrefix.counters]) }
        try refuse(.catalog) { $0.put(data, [1]) }
        try refuse(.catalog) { $0.put([KeyPrefix.header], [1]) }
        try refuse(.catalog) { $0.put([KeyPrefix.catalog, 200, 1], [1]) }
        try refuse(.catalog) { $0.put([KeyPrefix.catalog, 1, 0, 0, 0, 9], [1, 2, 3]) }
        try refuse(.catalog) { $0.deleteRange(from: data, to: [KeyPrefix.counters]) }
        // RocksDB would refuse it after it had done the writes before it.
        try refuse(.catalog) { $0.deleteRange(from: data, to: data.dropLast(2)) }
        try refuse(.barrier) { $0.put(data, [1]) }
    }

    private func words(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}
