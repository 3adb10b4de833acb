import Engine
import Log
import Platform
import Replication
import Topology

extension Node {
    /// A detached node becomes the primary of a cluster of its own: with a new lineage, so that it
    /// can never outrank the cluster that it came from. Blocks; on a thread of its own.
    func fork(_ engine: Engine, _ number: NodeNumber, _ operation: OperationRecord) {
        let outcome = control.run(within: .seconds(30)) { [self] in
            ForkOutcome(failure: forkNow(engine, number, operation))
        }
        if let outcome, outcome.failure == nil {
            tracker.endLocal(operation.id)
        } else {
            tracker.failLocal(
                operation.id, code: "fork-failed", detail: outcome?.failure ?? "no answer in 30 s")
        }
        keepLocalOperations()
        waits.poke()
    }

    private struct ForkOutcome: Sendable {
        /// What went wrong; nil when it is done.
        var failure: String?
    }

    private func forkNow(
        _ engine: Engine, _ number: NodeNumber, _ operation: OperationRecord
    ) -> String? {
        if case .replica(let session?) = state.role { session.stop() }
        _ = state.beginSession()
        let lineage = Lineage.random()
        let known = max(
            state.document?.reign.term ?? 0, engine.state.header.reign.term,
            state.facts.promised?.term ?? 0)
        guard let term = NextTerm.above(known) else { return NextTerm.exhausted(known) }
        let reign = Reign(term: term, holder: number)
        do {
            // Known before the entry is written: a crash in between must not orphan the state.
            try state.factsFile.change { $0.forking = lineage }
        } catch {
            return "cannot write node.json: \(error)"
        }
        var ended = operation
        ended.state = .succeeded
        ended.finishedAt = .now()
        let founder = NodeRecord(number: number, name: name, address: options.address)
        let isOpen = openReign(
            engine, reign, Fork(lineage: lineage, reign: reign, founder: founder, operation: ended))
        guard isOpen else { return "the entry could not be written" }
        do {
            try state.factsFile.change {
                $0.lineage = lineage
                $0.forking = nil
                $0.document = nil
                $0.promised = nil
            }
        } catch {
            return "cannot write node.json: \(error)"
        }
        log(.warning, "forked: a cluster of its own", ["lineage": lineage.hex])
        return nil
    }
}
