import ClusterKit
import JSON
import Testing

/// The same through the system's curl, as the README has it.
@Suite(.cluster) struct CurlTests {
    @Test(.timeLimit(.minutes(3)))
    func `everything that a quick start shows works when typed`() throws {
        let base = try TestCluster().primary.client.base
        func curl(_ arguments: String..., input: String = "") throws -> String {
            let run = try CommandRun.curl(
                ["--fail-with-body"] + arguments, input: Array(input.utf8))
            #expect(run.exitCode == 0, "curl \(arguments): \(run.text) \(run.errors)")
            return run.text
        }
        #expect(try curl("\(base)/readyz").contains("ok"))
        let made = try curl("\(base)/v1/namespaces", "--json", #"{"name":"orders"}"#)
        let token = try #require(JSONValue(parsing: Array(made.utf8))["token"]?.stringValue)
        let key = "\(base)/v1/namespaces/orders/keys/basket/42"
        _ = try curl("-X", "PUT", key, "--data-binary", "two apples")
        _ = try curl("-T", "-", "\(key)-streamed", input: "chunked")
        #expect(try curl(key) == "two apples")
        #expect(try curl("\(key)-streamed") == "chunked")
        #expect(try curl("-H", "Authorization: Bearer \(token)", key) == "two apples")
        #expect(try curl("-I", key).hasPrefix("HTTP/1.1 200"))
        #expect(try curl("\(base)/v1/namespaces/orders/keys").contains("basket/42"))
        let batch = #"{"operations":[{"op":"put","key":"a","value":"1"}]}"#
        #expect(
            try curl("\(base)/v1/namespaces/orders/batch", "--json", batch).contains("position"))
        #expect(try curl("-X", "POST", "\(base)/v1/namespaces/orders/flush").contains("index"))
        _ = try curl("-X", "PUT", key, "--data-binary", "three")
        #expect(try curl("-X", "DELETE", key).isEmpty)
        #expect(try curl("-X", "DELETE", "\(base)/v1/namespaces/orders").contains("position"))
        #expect(try curl("\(base)/v1/sync?wait=in_sync&timeout=5s").contains("\"in_sync\""))
        #expect(try curl("\(base)/v1/nodes").contains("n1"))
        #expect(try curl("\(base)/v1/topology").contains("generation"))
        let jq = try CommandRun(
            "/usr/bin/jq", ["-e", ".position.index > 0"],
            input: Array(try curl("\(base)/v1/sync").utf8))
        #expect(jq.exitCode == 0)
    }

    @Test(.timeLimit(.minutes(3)))
    func `five megabytes arrive whole after Expect 100-continue`() throws {
        let node = try TestCluster().primary
        var random = SeededRandom.announced(for: "five megabytes")
        let value = random.bytes(5 << 20)
        let run = try CommandRun.curl(
            [
                "-v", "-X", "PUT", "-H", "Expect: 100-continue", "--expect100-timeout", "25",
                "--data-binary", "@-", "\(node.client.base)\(Path.key("large"))",
            ], input: value)
        #expect(run.exitCode == 0, "\(run.errors)")
        #expect(run.errors.contains("100 Continue"))
        #expect(run.errors.contains("HTTP/1.1 201"))
        #expect(try node.client.get(Path.key("large")).body == value)
        let back = try CommandRun.curl(["\(node.client.base)\(Path.key("large"))"])
        #expect(back.output == value)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a body that is refused early is refused before it is sent`() throws {
        let node = try TestCluster().primary
        let run = try CommandRun.curl(
            [
                "-v", "-X", "PUT", "-H", "Expect: 100-continue", "--expect100-timeout", "25",
                "--data-binary", "@-", "\(node.client.base)\(Path.key("larger"))",
            ], input: [UInt8](repeating: 0x61, count: (32 << 20) + 1))
        #expect(run.errors.contains("413"))
        #expect(!run.errors.contains("100 Continue"))
        #expect(run.text.contains("too-large"))
        #expect(run.text.contains("33554432"), "the limit is named: \(run.text)")
    }

    @Test(.timeLimit(.minutes(3)))
    func `one connection serves many requests`() throws {
        let node = try TestCluster().primary
        let urls = (0..<50).flatMap { number in
            [
                "-X", "PUT", "--data-binary", "v\(number)",
                "\(node.client.base)\(Path.key("k\(number)"))", "--next",
            ]
        }
        let run = try CommandRun.curl(["-v"] + urls + ["\(node.client.base)\(Path.key("k49"))"])
        #expect(run.exitCode == 0)
        #expect(run.text == "v49")
        #expect(run.errors.ranges(of: "Connected to").count == 1)
    }
}
