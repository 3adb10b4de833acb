import Engine
import Platform
import Testing

@testable import ManagementAPI

@Suite struct FruitlessLooksTests {
    @Test func `what was looked through in vain is left alone for a second`() {
        let looks = FruitlessLooks()
        let start = MonotonicTime.now()
        let (a, b) = (NamespaceID(rawValue: 7), NamespaceID(rawValue: 8))
        #expect(looks.mayLook(at: a, now: start))
        looks.note(a, now: start)
        #expect(!looks.mayLook(at: a, now: start + .milliseconds(999)))
        #expect(looks.mayLook(at: b, now: start))
        #expect(looks.mayLook(at: a, now: start + .seconds(1)))
    }

    @Test func `any number of namespaces takes no more memory than a thousand`() {
        let looks = FruitlessLooks()
        let start = MonotonicTime.now()
        for number in 0..<1_001 { looks.note(NamespaceID(rawValue: UInt32(number)), now: start) }
        #expect(looks.mayLook(at: NamespaceID(rawValue: 0), now: start), "it was forgotten")
        #expect(!looks.mayLook(at: NamespaceID(rawValue: 1_000), now: start))
    }
}
