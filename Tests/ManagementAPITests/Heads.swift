import Glibc
import Platform
import Testing

@testable import HTTPServer

/// Requests without a network.
enum Heads {
    static func head(
        _ method: HTTPMethod = .get, _ target: String, _ headers: [(String, String)] = [],
        from address: String = "127.0.0.1"
    ) throws -> RequestHead {
        var table = HeaderTable()
        for (name, value) in headers { table.append(name: name.utf8, value: value.utf8) }
        return RequestHead(
            method: method, target: try RequestTarget(Array(target.utf8), method: method),
            headers: table, framing: try RequestFraming(table), client: client(address),
            secure: false, requestNumber: RequestNumber.Source().take())
    }

    static func request(
        _ method: HTTPMethod, _ target: String, _ headers: [(String, String)] = [],
        body: String = "", from address: String = "127.0.0.1"
    ) throws -> Request {
        Request(head: try head(method, target, headers, from: address), body: Array(body.utf8))
    }

    private static func client(_ address: String) -> ClientAddress {
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        inet_pton(AF_INET, address, &four.sin_addr)
        return withUnsafePointer(to: &four) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { ClientAddress($0) }
        }
    }
}

/// Records that something is not as it should be, and leaves the test.
func failed(_ what: String, at place: SourceLocation = #_sourceLocation) {
    Issue.record("\(what)", sourceLocation: place)
}
