import Engine
import Log
import Platform
import Replication
import Topology

extension Node {
    /// What a replica session needs of the node.
    func replicaEnvironment() -> ReplicaEnvironment {
        let state = self.state
        return ReplicaEnvironment(
            identity: { state.identity },
            signing: signing, rules: linkRules,
            engineOptions: options.engine,
            dataDirectory: state.directory,
            engine: { state.engine ?? state.foreign },
            apply: { number, engine, records, encoded throws(EngineError) in
                try state.apply(number, engine, records, encoded)
            },
            install: { [self] number, engine, summary throws(EngineError) in
                try install(number, engine, summary)
            },
            finished: { [self] sync in record(sync) },
            told: { [self] word in hear(word) },
            statusChanged: { [self] in
                waits.poke()
                events.poke()
            },
            followers: { [self] in source.followers() },
            syncBytesPerSecondMax: { state.fullSyncBytesPerSecondMax })
    }

    /// Swaps the state for the one that a full sync brought.
    private func install(
        _ session: UInt64, _ engine: Engine, _ summary: FullSyncSummary
    ) throws(EngineError) -> Bool {
        let old = state.engine ?? state.foreign
        // Noted before the swap and counted after it, or by the next start: once, in any case.
        changeFacts {
            $0.staged = NodeFacts.StagedSync(
                incarnation: engine.incarnation.name,
                sync: NodeFacts.FinishedSync(
                    reason: summary.reason.rawValue, bytes: summary.bytes,
                    seconds: summary.seconds, finishedAt: .now()))
        }
        guard try state.install(session, engine) else { return false }
        tracker.endResync()
        source.endAll(reason: "the state was replaced by a full sync")
        watch(engine)
        changeFacts {
            $0.lineage = engine.state.header.lineage
            $0.countStaged(serving: engine.incarnation.name)
        }
        maintenance.retire(old)
        control.poke()
        log(.info, "serving the state of a full sync", ["position": "\(engine.state.position)"])
        return true
    }

    private func record(_ sync: SyncFinished) {
        changeFacts { facts in
            switch sync {
            case .partial:
                facts.partialSyncs += 1
            case .diverged(_, let entries, _):
                facts.divergedEntries += entries
            }
        }
        if case .diverged(let fork, let entries, let file) = sync {
            log(
                .warning, "entries that only this node had are kept",
                ["after": "\(fork)", "entries": "\(entries)", "file": file])
        }
    }

    /// The upstream said something about the topology. Believed only when it is newer, and of this
    /// node's lineage.
    private func hear(_ word: PeerWord) {
        let told: PeerVersion? =
            switch word {
            case .notInTopology(let version), .otherCluster(let version): version
            case .newer(let version): version
            }
        guard let told, let document = told.document else { return peers.pokeAll() }
        control.enqueue { [self] in learn(document, of: told.lineage) }
    }

    /// Remembers a newer document, and acts on it. On the control loop, for it writes a file.
    func learn(_ document: TopologyDocument, of lineage: Lineage) {
        do {
            if try state.learn(document, of: lineage) { control.poke() }
        } catch {
            log(.error, "cannot write node.json", ["error": "\(error)"])
        }
    }

    /// Node-local facts that are lost without harm when the disk fails.
    private func changeFacts(_ body: (inout NodeFacts) -> Void) {
        do {
            try state.factsFile.change(body)
        } catch {
            log(.error, "cannot write node.json", ["error": "\(error)"])
        }
    }
}
