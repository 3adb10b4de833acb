import Engine
import JSON
public import Log
import Platform
import Replication
import Topology

/// Why a node does not promise. Nothing was changed.
public enum PromiseRefusal: Error, Sendable {
    /// It knows or has promised this reign, which is not below the one asked for.
    case contested(by: Reign)
    case failed(String)
}

extension Node {
    /// Promises to follow no reign below `reign`: on disk before `completion` is called, with the
    /// position that this node has. A primary gives up the right to append.
    public func promise(
        _ reign: Reign,
        completion: @escaping @Sendable (Result<Position, PromiseRefusal>) -> Void
    ) {
        let isQueued = control.enqueue { [self] in
            do throws(PromiseRefusal) {
                completion(.success(try keepPromise(reign)))
            } catch {
                completion(.failure(error))
            }
        }
        if !isQueued { completion(.failure(.failed("the node is stopping"))) }
    }

    /// On the control loop.
    func keepPromise(_ reign: Reign) throws(PromiseRefusal) -> Position {
        let promised = state.facts.promised
        if promised != reign {
            if let promised, promised > reign { throw .contested(by: promised) }
            if let known = state.document?.reign, known >= reign { throw .contested(by: known) }
            do {
                try state.factsFile.change { $0.promised = reign }
            } catch {
                throw .failed("cannot write node.json: \(error)")
            }
        }
        try holdStill(for: reign)
        return state.engine?.state.position ?? .origin
    }

    /// Takes nothing of lower reigns from here on.
    private func holdStill(for reign: Reign) throws(PromiseRefusal) {
        let isOwn = reign.holder == state.facts.number
        switch state.role {
        case .primary(let committer):
            guard committer.reign < reign else { return }
            guard committer.stop(until: .now() + .seconds(5)) else {
                throw .failed("a write is still on its way to the disk; ask again")
            }
            state.setRole(.replica(nil), isFenced: !isOwn)
            source.endAll(reason: "this node promised reign \(reign)")
        case .replica(let session?):
            session.stop()
            _ = state.beginSession()
            state.setRole(.replica(nil))
        case .replica(nil), .undecided:
            return
        }
        guard !isOwn else { return }
        state.note(
            NodeReport.Failure(
                code: "promised", detail: "waiting for the document of reign \(reign)", at: .now()))
        log(.warning, "promised to follow no reign below", ["reign": "\(reign)"])
    }

    /// Whether what is configured is of a reign that this node may still follow.
    func mayFollow(_ document: TopologyDocument) -> Bool {
        state.facts.promised.map { document.reign >= $0 } ?? true
    }

    /// Entries after `position`, for a node of this cluster that lacks them; whole records as in the
    /// log, at most about `bytesMax`. Reads the log's files.
    ///
    /// - Throws: ``LogError`` when the position is not one of this history.
    public func tail(after position: Position, bytesMax: Int) throws -> [UInt8] {
        guard let engine = state.engine else { return [] }
        var reader = try engine.log.reader(after: position)
        return try reader.next(bytesMax: bytesMax, through: engine.state.position.index)?.bytes
            ?? []
    }
}
