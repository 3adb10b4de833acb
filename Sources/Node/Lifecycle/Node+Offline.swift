public import Engine
import Platform
import Topology

extension Node {
    /// How long a node that was started for one change may take to become primary.
    private static let offlineTimeout: Duration = .seconds(20)

    /// Makes one change to the data of a node that does not run: starts the node without serving
    /// anybody, lets it become primary in the way in which every start does, appends, and stops it in
    /// order. An empty directory becomes a cluster of one. Blocks.
    ///
    /// - Throws: ``NodeStartError`` or ``EngineError``, each saying what to do; nothing was changed then.
    public static func commitOffline<C: Change>(
        _ change: C, _ options: NodeOptions
    ) throws -> C.Answer {
        var options = options
        options.join = nil
        // Where the node is reached is not this command's to change.
        if let address = try savedAddress(options) { options.address = address }
        let node = try start(options)
        defer { node.stop(until: .now() + .seconds(10)) }
        let deadline = MonotonicTime.now() + offlineTimeout
        while node.state.committer == nil, MonotonicTime.now() < deadline {
            // By its own document, or by a newer one that it was told of.
            if case .replica = node.state.role { break }
            _ = Monitor(()).wait(until: .now() + .milliseconds(20)) { _ -> Void? in nil }
        }
        guard node.state.committer != nil else {
            let detail = node.state.failure.map { ": \($0.detail)" } ?? ""
            throw NodeStartError.cannotOpen(
                "node \(node.name) is not the primary of its cluster, so nothing can be written to it\(detail). Do this at the primary"
            )
        }
        switch node.commit(change, until: .now() + .seconds(30)) {
        case .success(let committed):
            return committed.answer
        case .failure(.acksTimeout):
            throw NodeStartError.cannotOpen(
                "the change is in the log, but no replica has it yet; start the node")
        case .failure(.refused(let refusal)):
            throw NodeStartError.cannotOpen("the change was refused: \(refusal)")
        case .failure(let failure):
            throw NodeStartError.cannotOpen("the change was not made: \(failure)")
        case nil:
            throw NodeStartError.cannotOpen("the disk did not take the change in 30 s")
        }
    }

    /// The address that the directory's own document has for its node.
    private static func savedAddress(_ options: NodeOptions) throws -> NodeAddress? {
        guard FileSystem.exists(options.dataPath + "/node.json"),
            let facts = try FactsFile.read(in: options.dataPath)
        else { return nil }
        let directory = try DataDirectory(path: options.dataPath)
        defer { directory.unlock() }
        guard let incarnation = try directory.current() else { return nil }
        let synced = try SyncedIndexFile(in: options.dataPath)
        let (engine, _) = try Engine.open(
            incarnation, synced: synced.read(incarnation: incarnation.name),
            diverged: directory.divergedPath, options: options.engine)
        return facts.number.flatMap { engine.state.catalog.topology?.node(numbered: $0)?.address }
    }
}
