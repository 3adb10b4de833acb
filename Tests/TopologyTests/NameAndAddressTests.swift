import Testing
import Topology

@Suite struct NodeNameTests {
    @Test(arguments: ["n1", "a", "0", "eu-west_1.db", "selfish", String(repeating: "x", count: 64)])
    func `a name is taken as it is`(text: String) throws {
        #expect(try #require(NodeName(text)).rawValue == text)
    }

    @Test(arguments: [
        "", "self", "N1", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", "a\u{301}", "n1\u{0}",
        String(repeating: "x", count: 65),
    ])
    func `anything else is no name`(text: String) {
        #expect(NodeName(text) == nil)
    }
}

@Suite struct NodeAddressTests {
    @Test(arguments: [
        ("http://127.0.0.1:7070", "http://127.0.0.1:7070", "127.0.0.1"),
        ("HTTPS://DB.Example.COM:443", "https://db.example.com:443", "db.example.com"),
        ("http://my_node-1:1", "http://my_node-1:1", "my_node-1"),
        ("http://[::1]:65535", "http://[::1]:65535", "::1"),
        ("http://[2001:0DB8:0:0:1:0:0:1]:80", "http://[2001:db8::1:0:0:1]:80", "2001:db8::1:0:0:1"),
        ("http://[1:2:3:4:5:6:7::]:80", "http://[1:2:3:4:5:6:7:0]:80", "1:2:3:4:5:6:7:0"),
        ("http://[fe80::]:80", "http://[fe80::]:80", "fe80::"),
        ("http://[::ffff:10.0.0.1]:80", "http://[::ffff:a00:1]:80", "::ffff:a00:1"),
        ("http://[1:2:3:4:5:6:7:8]:80", "http://[1:2:3:4:5:6:7:8]:80", "1:2:3:4:5:6:7:8"),
    ])
    func `an address has one spelling`(text: String, url: String, host: String) throws {
        let address = try #require(NodeAddress(text))
        #expect(address.url == url)
        #expect(address.host == host)
        #expect(NodeAddress(url) == address)
    }

    @Test func `scheme and port are told apart`() throws {
        let address = try #require(NodeAddress("https://a:8443"))
        #expect(address.scheme == .https)
        #expect(address.port == 8443)
        #expect(address != NodeAddress("http://a:8443"))
        #expect(address.authority == "a:8443")
    }

    @Test(arguments: [
        "", "http://", "http://a", "http://a:", "http://:80", "a:80", "//a:80", "ftp://a:80",
        "http:/a:80", "http://a:0", "http://a:080", "http://a:65536", "http://a:+80", "http://a:8x",
        "http://a:80/", "http://a:80/x", "http://a:80?q", "http://a:80#f", "http://u@a:80",
        "http://u:p@a:80", "http://a b:80", " http://a:80", "http://a:80\n", "http://a:80\u{0}",
        "http://ä:80", "http://a\u{301}:80", "http://-a:80", "http://a-:80", "http://a..b:80",
        "http://a.:80", "http://.a:80", "http://1.2.3:80", "http://1.2.3.4.5:80",
        "http://256.1.1.1:80", "http://01.1.1.1:80", "http://127.1:80", "http://0x7f.1:80",
        "http://a.0x1:80", "http://2130706433:80", "http://0.0.0.0:80", "http://[::]:80",
        "http://[::ffff:0.0.0.0]:80", "http://::1:80", "http://[::1]", "http://[::1]80",
        "http://[::1:80", "http://[]:80", "http://[:]:80", "http://[:::]:80", "http://[1::2::3]:80",
        "http://[1:2:3:4:5:6:7]:80", "http://[1:2:3:4:5:6:7:8:9]:80",
        "http://[1:2:3:4:5:6:7:8::]:80",
        "http://[12345::]:80", "http://[g::]:80", "http://[fe80::1%eth0]:80",
        "http://[1.2.3.4::]:80",
        "http://[::1.2.3]:80", "http://a]:80", "http://http://a:80",
        "http://\(String(repeating: "a", count: 64)):80",
        "http://\(Array(repeating: "abcdefgh", count: 29).joined(separator: ".")):80",
    ])
    func `anything else is no address`(text: String) {
        #expect(NodeAddress(text) == nil)
    }

    @Test(arguments: [
        ("http://localhost:1", true), ("http://LOCALHOST:1", true), ("http://127.0.0.1:1", true),
        ("http://127.9.9.9:1", true), ("http://[::1]:1", true),
        ("http://[0:0:0:0:0:0:0:1]:1", true),
        ("http://[::ffff:127.0.0.1]:1", true), ("http://128.0.0.1:1", false),
        ("http://10.0.0.1:1", false), ("http://localhost.example.com:1", false),
        ("http://[::2]:1", false), ("http://[::ffff:10.0.0.1]:1", false),
    ])
    func `loopback is known by the literal`(text: String, isLoopback: Bool) throws {
        #expect(try #require(NodeAddress(text)).isLoopback == isLoopback)
    }

    @Test(arguments: UInt64(0)..<20)
    func `random text never crashes, and what is taken is taken again`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pieces = [
            "http://", "https://", "[", "]", ":", "::", ".", "1", "ff", "80", "a", "-", "0",
        ]
        for _ in 0..<500 {
            let count = Int.random(in: 1...8, using: &random)
            let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            guard let address = NodeAddress(text) else { continue }
            #expect(NodeAddress(address.url) == address, "\(text)")
        }
    }
}
