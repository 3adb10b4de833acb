import Glibc
import Testing

@testable import HTTPServer

@Suite struct ConnectionTableTests {
    private func address(_ text: String) -> ClientAddress {
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        inet_pton(AF_INET, text, &four.sin_addr)
        return withUnsafePointer(to: &four) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { ClientAddress($0) }
        }
    }

    @Test func `an address has its maximum of connections, and room again after a close`() {
        let table = ConnectionTable(perAddressMax: 2)
        let connections = (0..<2).map { _ in
            ClientConnection(socket: -1, address: address("192.0.2.1"))
        }
        for connection in connections {
            #expect(table.hasRoom(for: connection.address))
            table.insert(connection)
        }
        #expect(!table.hasRoom(for: address("192.0.2.1")))
        #expect(table.hasRoom(for: address("192.0.2.2")))
        table.remove(connections[0])
        #expect(table.hasRoom(for: address("192.0.2.1")))
    }

    @Test func `loopback is exempt from the maximum`() {
        let table = ConnectionTable(perAddressMax: 0)
        #expect(table.hasRoom(for: address("127.3.2.1")))
        #expect(!table.hasRoom(for: address("192.0.2.1")))
    }

    @Test func `a closed connection's socket is out of reach`() {
        let connection = ClientConnection(socket: 0, address: address("192.0.2.1"))
        #expect(connection.withSocket { $0 } == 0)
        connection.markClosed()
        #expect(connection.withSocket { $0 } == nil)
    }
}
