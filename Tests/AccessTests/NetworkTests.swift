import Access
import Platform
import Testing

@Suite struct NetworkTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"), ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
        ("0.0.0.0/0", "203.0.113.9", "::1"), ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
        ("2001:db8::/32", "2001:db8:1::5", "2001:db9::"), ("::1", "::1", "127.0.0.1"),
        ("::/0", "2001:db8::1", "10.0.0.1"), ("10.0.0.0/8", "::ffff:10.0.0.1", "::a00:1"),
    ])
    func `it has the addresses of its prefix and no others`(
        text: String, inside: String, outside: String
    ) throws {
        let network = try #require(Network(text))
        #expect(network.contains(try #require(IPAddress(inside))), "\(inside)")
        #expect(!network.contains(try #require(IPAddress(outside))), "\(outside)")
        #expect(Network(network.description) == network)
    }

    @Test(arguments: [
        "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8",
        "2001:db8::/129", "2001:db8::1/32", "example.com", "example.com/8", "10.0.0.0/+8", "10.1",
        "fe80::1%eth0", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/0008", "1\u{0}",
    ])
    func `anything else is none`(text: String) { #expect(Network(text) == nil, "\(text)") }
}

@Suite struct FailedLoginsTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000_000)

    private func after(_ seconds: Int) -> MonotonicTime { start + .seconds(seconds) }

    @Test func `an address that is wrong too often has to wait, and another does not`() throws {
        var logins = FailedLogins(now: start)
        for _ in 0..<FailedLogins.perAddressMax {
            #expect(logins.count("10.0.0.1", now: start) == nil)
        }
        let seconds = logins.count("10.0.0.1", now: after(10))
        #expect((1...61).contains(try #require(seconds)))
        let other = logins.count("10.0.0.2", now: after(10))
        #expect(other == nil)
    }

    @Test func `it is forgotten after two windows`() {
        var logins = FailedLogins(now: start)
        for _ in 0...FailedLogins.perAddressMax { _ = logins.count("10.0.0.1", now: start) }
        #expect(logins.count("10.0.0.1", now: after(61)) != nil)
        #expect(logins.count("10.0.0.1", now: after(200)) == nil)
    }

    @Test func `all addresses of one network of IPv6 count as one`() {
        var logins = FailedLogins(now: start)
        for number in 0..<FailedLogins.perAddressMax {
            _ = logins.count("2001:db8::\(String(number, radix: 16))", now: start)
        }
        #expect(logins.count("2001:db8::ffff", now: start) != nil)
        #expect(logins.count("2001:db8:0:1::1", now: start) == nil)
    }

    @Test func `a full table makes strangers share one count, and grows no more`() {
        var logins = FailedLogins(now: start)
        for number in 0..<FailedLogins.addressesMax {
            _ = logins.count("10.\(number >> 16).\(number >> 8 & 255).\(number & 255)", now: start)
        }
        for number in 0..<FailedLogins.perAddressMax {
            #expect(logins.count("11.0.0.\(number)", now: start) == nil)
        }
        #expect(logins.count("12.0.0.1", now: start) != nil)
        #expect(logins.count("10.0.0.1", now: start) == nil, "who has a place keeps it")
    }
}
