import ClusterKit
import JSON
import Testing

/// A page of a stranger in the operator's browser must not reach the node.
@Suite(.cluster) struct HostAndOriginTests {
    @Test(.timeLimit(.minutes(3)))
    func `only this node's own names are answered`() throws {
        let cluster = try TestCluster(flags: ["--allow-host", "convoy.example"])
        let node = cluster.primary
        for host in [
            "127.0.0.1:\(node.port)", "localhost", "localhost:1", "127.0.0.1", "[::1]:9",
            "convoy.example",
        ] {
            let answer = try node.client.get("/v1/sync", headers: [("Host", host)])
            #expect(answer.status == 200, "Host: \(host): \(answer)")
        }
        for host in [
            "evil.example", "evil.example:\(node.port)", "localhost.evil.example",
            "127.0.0.1.evil.example", "10.0.0.1",
        ] {
            for path in ["/v1/sync", "/", "/livez", Path.key("k")] {
                let answer = try node.client.get(path, headers: [("Host", host)])
                #expect(answer.status == 403, "Host: \(host) \(path): \(answer)")
                #expect(answer.problem == "bad-host")
            }
        }
        let socket = try Socket.connected(to: node.port)
        #expect(socket.write(Array("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n".utf8)))
        let answer = String(decoding: socket.readToEnd(idle: .seconds(15)), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 403"), "\(answer)")
        #expect(answer.contains("bad-host"))
    }

    @Test(.timeLimit(.minutes(3)))
    func `a foreign page changes nothing`() throws {
        let client = try TestCluster().primary.client
        let foreign: [(String, String)] = [
            ("Origin", "http://evil.example"), ("Origin", "null"), ("Origin", "https://127.0.0.1"),
            ("Origin", "http://127.0.0.1:1"), ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ]
        for header in foreign {
            for method in ["PUT", "DELETE"] {
                let answer = try client.ask(method, Path.key("k"), body: [1], headers: [header])
                #expect(answer.status == 403, "\(header): \(answer)")
                #expect(answer.problem == "bad-origin")
            }
            let answer = try client.post("/v1/namespaces", ["name": "mine"], headers: [header])
            #expect(answer.problem == "bad-origin")
        }
        #expect(try client.get(Path.key("k")).status == 404)
        #expect(try client.namespaceNames() == ["default"])

        let own: [(String, String)] = [
            ("Origin", client.base), ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "none"),
        ]
        for header in own {
            #expect(try client.put(Path.key("k"), [1], headers: [header]).status < 300, "\(header)")
        }
        let read = try client.get("/v1/sync", headers: [("Origin", "http://evil.example")])
        #expect(read.status == 200)
        #expect(read.header("Access-Control-Allow-Origin") == nil)
    }
}
