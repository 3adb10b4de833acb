import Platform

/// All open connections of a listener.
final class ConnectionTable: Sendable {
    private let perAddressMax: Int
    private let state = Monitor(State())

    private struct State {
        var connections: [ObjectIdentifier: ClientConnection] = [:]
        /// No entry is zero.
        var countByAddress: [ClientAddress: Int] = [:]
    }

    init(perAddressMax: Int) { self.perAddressMax = perAddressMax }

    /// Whether one more connection may come from there. Two threads that accept at the same time
    /// may both be told yes at the last place.
    func hasRoom(for address: ClientAddress) -> Bool {
        address.isLoopback
            || state.withLock { $0.countByAddress[address, default: 0] } < perAddressMax
    }

    func insert(_ connection: ClientConnection) {
        state.withLock {
            $0.connections[ObjectIdentifier(connection)] = connection
            $0.countByAddress[connection.address, default: 0] += 1
        }
    }

    func remove(_ connection: ClientConnection) {
        state.withLock {
            $0.connections[ObjectIdentifier(connection)] = nil
            let left = $0.countByAddress[connection.address, default: 1] - 1
            $0.countByAddress[connection.address] = left == 0 ? nil : left
        }
    }

    var all: [ClientConnection] { state.withLock { Array($0.connections.values) } }
}
