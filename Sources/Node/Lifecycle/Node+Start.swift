import Engine
import Log
public import Platform
import Replication
import Topology

extension Node {
    /// Opens the data directory, or founds a cluster of one in an empty one, and starts the node's
    /// threads. Blocks until the log is replayed.
    ///
    /// - Throws: ``NodeStartError`` or ``EngineError``, each saying what to do.
    public static func start(_ options: NodeOptions) throws -> Node {
        let directory = try DataDirectory(path: options.dataPath)
        let found = try FactsFile.read(in: options.dataPath)
        if let found, let asked = options.name, asked != found.name {
            throw NodeStartError.wrongName(
                asked: asked, found: found.name, path: options.dataPath)
        }
        let bootID = Node.bootID()
        var facts =
            found
            ?? NodeFacts(name: options.name ?? Node.defaultName, bootID: bootID)
        let completeness = Completeness(
            stoppedCleanly: facts.stoppedCleanly, sameBoot: facts.bootID == bootID,
            syncsAlways: options.engine.log.syncPolicy == .always)
        facts.bootID = bootID
        facts.stoppedCleanly = false
        let factsFile = try FactsFile(in: options.dataPath, facts)
        let synced = try SyncedIndexFile(in: options.dataPath)

        let opened = try open(directory, facts, synced, options)
        let isOwn = opened.map { belongs($0, facts) } ?? false
        if let opened, isOwn, facts.forking == opened.state.header.lineage {
            // The process ended between the entry of a fork and the note that it is done.
            try factsFile.change {
                $0.lineage = opened.state.header.lineage
                $0.document = nil
                $0.promised = nil
            }
        }
        try factsFile.change {
            $0.forking = nil
            if isOwn, let opened { $0.countStaged(serving: opened.incarnation.name) }
        }
        // A state of another cluster is what an adoption left that has not ended yet.
        let state = NodeState(
            options: options, directory: directory, factsFile: factsFile,
            engine: isOwn ? opened : nil, foreign: isOwn ? nil : opened)
        let node = Node(
            options: options, state: state, maintenance: Maintenance(synced: synced))
        if opened == nil && facts.lineage == nil && options.join == nil { try node.found() }
        node.endInterruptedOperations(facts.operations)
        node.run(completeness)
        return node
    }

    private static var defaultName: NodeName {
        guard let name = NodeName("n1") else { fatalError("n1 is a node's name") }
        return name
    }

    /// What a restart may rely on.
    struct Completeness: Sendable {
        var stoppedCleanly: Bool
        var sameBoot: Bool
        var syncsAlways: Bool

        /// Whether nothing that was ever acknowledged can be missing.
        var isComplete: Bool { stoppedCleanly || sameBoot || syncsAlways }
    }

    private static func open(
        _ directory: DataDirectory, _ facts: NodeFacts, _ synced: SyncedIndexFile,
        _ options: NodeOptions
    ) throws -> Engine? {
        guard let incarnation = try directory.current() else {
            try directory.removeLeftovers(beside: nil)
            return nil
        }
        try directory.removeLeftovers(beside: incarnation)
        try FileSystem.removeTree(incarnation.snapshotsPath)  // Their leases died with the process.
        let began = MonotonicTime.now()
        let (engine, recovery) = try Engine.open(
            incarnation, synced: synced.read(incarnation: incarnation.name),
            diverged: directory.divergedPath, options: options.engine)
        options.log(
            .info, "state opened",
            [
                "position": "\(engine.state.position)",
                "namespaces": "\(engine.state.catalog.namespaceCount)",
                "seconds": "\((MonotonicTime.now() - began).inSeconds)",
            ])
        if let cut = recovery.cut {
            options.log(
                .warning, "torn tail of the log cut",
                ["bytes": "\(cut.bytes)", "after": "\(cut.after)", "kept_in": cut.keptIn])
        }
        if let renewal = recovery.renewal {
            options.log(
                .warning, "the log ended before the state; it begins anew behind it",
                ["log": "\(renewal.from)", "state": "\(renewal.state)"])
        }
        return engine
    }

    private static func belongs(_ engine: Engine, _ facts: NodeFacts) -> Bool {
        let lineage = engine.state.header.lineage
        return facts.lineage == nil || facts.lineage == lineage || facts.forking == lineage
    }

    /// Makes the state of a new cluster of one.
    private func found() throws {
        let number = NodeNumber(rawValue: 1)
        let incarnation = try state.directory.makeIncarnation()
        let lineage = Lineage.random()
        let engine = try Engine.create(in: incarnation, lineage: lineage, options: options.engine)
        let committer = Committer(engine: engine, reign: Reign(term: 1, holder: number))
        let birth = Birth(
            lineage: lineage,
            founder: NodeRecord(number: number, name: name, address: options.address))
        guard case .success = committer.commit(birth, until: .now() + .seconds(60)) else {
            throw NodeStartError.cannotOpen("the first entry could not be written")
        }
        try engine.log.sync()
        try state.directory.makeCurrent(incarnation)
        try state.factsFile.change {
            $0.number = number
            $0.lineage = lineage
        }
        state.setEngine(engine)
        state.setRole(.primary(committer))
        log(.info, "founded a cluster of one", ["lineage": lineage.hex, "name": name.rawValue])
    }

    private func run(_ completeness: Completeness) {
        if let engine = state.engine { watch(engine) }
        if case .undecided = state.role, state.ownRecord != nil,
            state.document.flatMap(state.ownRole(in:)) != .primary
        {
            state.setRole(.replica(nil))
        } else if case .undecided = state.role, state.ownRecord == nil {
            state.setRole(.replica(nil))
        }
        control.start { [self] in reconcile(completeness) }
        maintenance.start(self)
        waits.start(self)
        startEvents()
        if let join = options.join, state.facts.lineage == nil { startJoining(join) }
    }

    /// Hears of every entry that `engine` applies.
    func watch(_ engine: Engine) {
        let topology = Monitor(engine.state.catalog.topology?.version)
        catalogs.withLock { $0 = CatalogHistory() }
        noteCatalog(engine.state.header)
        source.engineBegan(engine.state)
        engine.observe { [weak self, weak engine] state in
            guard let self, let engine, self.state.engine === engine else { return }
            source.enginePublished(state)
            noteCatalog(state.header)
            waits.poke()
            let version = state.catalog.topology?.version
            let isNew = topology.withLock { known in
                defer { known = version }
                return known != version
            }
            guard isNew else { return }
            topologyAppliedAt.withLock { $0 = .now() }
            control.poke()
        }
        engine.listen { [weak self, weak engine] entries in
            guard let self, let engine, self.state.engine === engine else { return }
            events.take(entries)
        }
    }

    /// Stops taking requests, gives up the right to append, and leaves everything on disk so that
    /// the next start knows that nothing is missing. Blocks, at most until `deadline`.
    public func stop(until deadline: MonotonicTime) {
        state.isDraining = true
        waits.stop()
        events.stop(
            Event(.node, "stopping", name.rawValue, at: .now(), "\(name) is stopping, in order."))
        source.endWaits()
        source.endAll(reason: "the node is stopping")
        control.stop(until: deadline)
        answerParked()
        peers.stopAll()
        // The next process goes on with what was fetched.
        if case .replica(let session?) = state.role { session.stop(keepsFetched: true) }
        _ = state.beginSession()
        var isClean = true
        if case .primary(let committer) = state.role { isClean = committer.stop(until: deadline) }
        maintenance.stop(state.engine, until: deadline)
        if isClean { leaveInOrder() }
        state.setRole(.replica(nil))
        state.setEngine(nil)
        if isClean { state.directory.unlock() }
    }

    private func leaveInOrder() {
        do {
            if let engine = state.engine {
                try engine.log.sync()
                try maintenance.recordSynced(engine)
            }
            try state.factsFile.change { $0.stoppedCleanly = true }
        } catch {
            log(
                .error, "could not finish in order; the next start will replay",
                ["error": "\(error)"])
        }
    }

    /// The id of the machine's boot; the page cache survives a process but not a boot.
    private static func bootID() -> String {
        // Missing outside Linux's procfs: then every start counts as after a reboot.
        guard let file = try? File("/proc/sys/kernel/random/boot_id", .read),
            let bytes = try? file.read(at: 0, count: 64)
        else { return "unknown-\(UInt64.random(in: 0...UInt64.max))" }
        return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
    }
}
