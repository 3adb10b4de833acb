import Engine
import Platform

/// When each token was last used at this node, since its start. Not in the log: looking changes
/// nothing.
final class TokenUse: Sendable {
    private let times = Monitor<[String: UnixMilliseconds]>([:])

    /// Tokens that are gone are forgotten when the table holds this many more than there are.
    private static let excessMax = 1_024

    func note(_ id: String, in catalog: Catalog) {
        let now = UnixMilliseconds.now()
        times.withLock { times in
            times[id] = now
            guard times.count > catalog.tokens.count + TokenUse.excessMax else { return }
            times = times.filter { catalog.tokens[$0.key] != nil }
        }
    }

    func last(of id: String) -> UnixMilliseconds? { times.withLock { $0[id] } }
}
