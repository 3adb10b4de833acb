import Engine
public import JSON
public import Log
import Platform
import Replication
public import Topology

/// Why a node does not promise. Nothing was changed.
public enum PromiseRefusal: Error, Sendable {
    /// It knows or has promised this reign, which is not below the one asked for.
    case contested(by: Reign)
    /// Whoever asks has no role in the topology that this node knows.
    case notMember
    case failed(String)
}

/// What a node says with its promise.
public struct PromiseGiven: Sendable {
    public var extent: HistoryExtent
    /// Of the newest document that it knows.
    public var version: TopologyVersion?

    public var json: JSONValue {
        [
            "position": extent.position.json, "last_reign": .string("\(extent.reign)"),
            "known_reign": .orNull(version.map { "\($0.reign)" }),
            "known_generation": .orNull(version?.generation.rawValue),
        ]
    }

    init(extent: HistoryExtent, version: TopologyVersion?) {
        self.extent = extent
        self.version = version
    }

    /// Nil when it is none.
    init?(json: JSONValue) {
        guard let extent = HistoryExtent(json: json) else { return nil }
        self.extent = extent
        if let reign = json["known_reign"]?.stringValue.flatMap(Reign.init(text:)),
            let generation = json["known_generation"]?.unsigned
        {
            version = TopologyVersion(reign: reign, generation: Generation(generation))
        }
    }
}

extension HistoryExtent {
    /// Of `position` and `last_reign`.
    init?(json: JSONValue) {
        guard let position = Position(json: json["position"]),
            let reign = json["last_reign"]?.stringValue.flatMap(Reign.init(text:))
        else { return nil }
        self.init(reign: reign, position: position)
    }
}

extension Node {
    /// Promises to follow no reign below `reign`: on disk before `completion` is called, with how far
    /// this node's history goes. A primary gives up the right to append.
    public func promise(
        _ reign: Reign, to name: String,
        completion: @escaping @Sendable (Result<PromiseGiven, PromiseRefusal>) -> Void
    ) {
        let isQueued = control.enqueue { [self] in
            do throws(PromiseRefusal) {
                completion(.success(try keepPromise(reign, to: name)))
            } catch {
                completion(.failure(error))
            }
        }
        if !isQueued { completion(.failure(.failed("the node is stopping"))) }
    }

    /// On the control loop.
    func keepPromise(_ reign: Reign, to name: String) throws(PromiseRefusal) -> PromiseGiven {
        let promised = state.facts.promised
        // A node that was removed may not know it yet, nor one whose number was given again: they
        // must not fence those who do.
        if let document = state.document,
            document.role(of: reign.holder) == nil
                || document.node(numbered: reign.holder)?.name.rawValue != name
        {
            throw .notMember
        }
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
        return PromiseGiven(
            extent: state.engine?.state.header.extent ?? .none, version: state.document?.version)
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
            // A tail that is being taken would make the history longer than what is answered.
            _ = state.beginSession()
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
