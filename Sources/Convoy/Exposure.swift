import Node
import Platform

/// Whether a node may listen where others than this machine reach it: only when nobody comes in
/// without a token.
enum Exposure {
    /// Refuses what would only make an open node, before anything is written.
    static func checkBeforeStart(_ settings: Settings) throws {
        guard isExposed(settings), !joins(settings),
            !FileSystem.exists(settings.node.dataPath + "/node.json")
        else { return }
        throw refusal(settings)
    }

    /// Once the state is known.
    static func check(_ settings: Settings, _ node: Node) throws {
        // A node without a state holds nothing, and lets nobody in from elsewhere; its cluster's
        // tokens come with its first sync.
        let isEmpty = node.engine == nil && settings.secret != nil
        guard isExposed(settings), !node.requiresToken, !isEmpty else { return }
        throw refusal(settings)
    }

    private static func isExposed(_ settings: Settings) -> Bool {
        !Settings.isLoopback(settings.http.host)
            || settings.health.map { !Settings.isLoopback($0.host) } ?? false
    }

    private static func joins(_ settings: Settings) -> Bool {
        settings.node.join != nil && settings.secret != nil
    }

    private static func refusal(_ settings: Settings) -> StartFailure {
        StartFailure(
            description:
                "until the first admin token exists, a node serves loopback addresses only. Make one with: convoy token create --admin --data \(settings.node.dataPath) (or join a cluster with --join and --cluster-secret-file)"
        )
    }
}
