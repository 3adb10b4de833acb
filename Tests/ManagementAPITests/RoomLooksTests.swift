import Engine
import Platform
import Testing

@testable import ManagementAPI

@Suite struct RoomLooksTests {
    private let start = MonotonicTime.now()
    private let a = NamespaceID(rawValue: 7)
    private let b = NamespaceID(rawValue: 8)

    private func words(_ place: RoomLooks<Int>.Place) -> String {
        switch place {
        case .looks(let key): "looks after \(key.map { "\($0)" } ?? "nothing")"
        case .waits: "waits"
        case .none: "none"
        }
    }

    @Test func `one looks, and who comes meanwhile waits for what it finds`() {
        var looks = RoomLooks<Int>()
        #expect(words(looks.join(a, 1, now: start)) == "looks after nothing")
        #expect(words(looks.join(a, 2, now: start)) == "waits")
        #expect(words(looks.join(b, 3, now: start)) == "looks after nothing")
        #expect(looks.end(a, isMade: true, next: [9], now: start) == [1, 2])
        #expect(words(looks.join(a, 4, now: start)) == "looks after [9]", "it goes on at once")
        #expect(looks.end(b, isMade: true, next: nil, now: start) == [3])
    }

    @Test func `what was looked through in vain is left alone for a second`() {
        var looks = RoomLooks<Int>()
        _ = looks.join(a, 1, now: start)
        #expect(looks.end(a, isMade: false, next: [5], now: start) == [1])
        #expect(words(looks.join(a, 2, now: start + .milliseconds(999))) == "none")
        #expect(words(looks.join(b, 3, now: start)) == "looks after nothing")
        #expect(words(looks.join(a, 4, now: start + .seconds(1))) == "looks after [5]")
    }

    @Test func `neither those who wait nor the namespaces are any number`() {
        var looks = RoomLooks<Int>()
        for number in 0..<RoomLooks<Int>.waitingMax { _ = looks.join(a, number, now: start) }
        #expect(words(looks.join(a, 1_000, now: start)) == "none")
        for number in 1..<RoomLooks<Int>.namespacesMax {
            let namespace = NamespaceID(rawValue: UInt32(100 + number))
            #expect(words(looks.join(namespace, number, now: start)) == "looks after nothing")
            _ = looks.end(namespace, isMade: false, next: nil, now: start)
        }
        #expect(words(looks.join(b, 1, now: start)) == "none")
        let later = start + .seconds(2)
        #expect(
            words(looks.join(b, 1, now: later)) == "looks after nothing", "the others are forgotten"
        )
        #expect(
            looks.end(a, isMade: true, next: nil, now: later).count == RoomLooks<Int>.waitingMax)
    }
}
