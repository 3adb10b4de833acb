import Glibc
import Platform

/// Ports of the loopback interface that nobody uses now.
public enum FreePort {
    /// Below the range from which the kernel takes ports for outgoing connections: otherwise one of
    /// those could sit on a node's port while the node is down for a restart.
    private static let range: Range<UInt16> = 12_000..<32_000
    private static let next = Monitor(range.lowerBound + UInt16(getpid() % 199) * 100)

    /// A port that could be bound just now, and that this process was not given before.
    public static func take() throws(ClusterFailure) -> UInt16 {
        for _ in range {
            let port = next.update { next in
                defer { next = next + 1 < range.upperBound ? next + 1 : range.lowerBound }
                return next
            }
            if isFree(port) { return port }
        }
        throw ClusterFailure("no free port from \(range.lowerBound) to \(range.upperBound)")
    }

    private static func isFree(_ port: UInt16) -> Bool {
        guard let socket = try? Socket.makeTCP() else { return false }
        return socket.bindToLoopback(port)
    }
}
