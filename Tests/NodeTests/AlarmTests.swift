import Log
import Platform
import Testing
import Topology

@testable import Node

@Suite struct CatalogHistoryTests {
    private func digest(_ number: UInt64) -> Hash128 { Hash128(high: 0, low: number) }

    @Test func `digests are compared as of the same entry, and else not at all`() {
        var history = CatalogHistory()
        #expect(history.agrees(LogIndex(1), digest(1)) == nil)
        for number in [UInt64(3), 5, 9] { history.note(LogIndex(number), digest(number)) }
        #expect(history.agrees(LogIndex(5), digest(5)) == true)
        #expect(history.agrees(LogIndex(5), digest(6)) == false)
        #expect(history.agrees(LogIndex(4), digest(4)) == nil)
        #expect(history.agrees(LogIndex(11), digest(11)) == nil)
    }

    @Test func `the last sixty-four are kept`() {
        var history = CatalogHistory()
        for number in UInt64(1)...100 { history.note(LogIndex(number), digest(number)) }
        #expect(history.agrees(LogIndex(36), digest(36)) == nil)
        #expect(history.agrees(LogIndex(37), digest(37)) == true)
        #expect(history.agrees(LogIndex(100), digest(0)) == false)
    }

    @Test func `another state makes the old one's digests void`() {
        var history = CatalogHistory()
        for number in UInt64(1)...9 { history.note(LogIndex(number), digest(number)) }
        history.note(LogIndex(9), digest(90))
        #expect(history.agrees(LogIndex(9), digest(90)) == true)
        #expect(history.agrees(LogIndex(8), digest(8)) == nil)
        history.note(LogIndex(4), digest(40))
        #expect(history.agrees(LogIndex(9), digest(90)) == nil)
        #expect(history.agrees(LogIndex(4), digest(40)) == true)
    }
}

@Suite struct AlarmBookTests {
    private let n2 = AlarmBook.Key(node: NodeNumber(rawValue: 2), code: .catalogDiffers)
    private let n3 = AlarmBook.Key(node: NodeNumber(rawValue: 3), code: .positionNotRetained)

    private func at(_ milliseconds: UInt64) -> UnixMilliseconds {
        UnixMilliseconds(rawValue: milliseconds)
    }

    @Test func `an alarm is raised once, keeps its date, and ends when all is well`() {
        var book = AlarmBook()
        #expect(book.take([n2: .right], at: at(1)) == [])
        #expect(book.take([n2: .wrong("a")], at: at(2)) == [.raised(n2, "a")])
        #expect(book.take([n2: .wrong("b")], at: at(3)) == [])
        #expect(book.entries[n2] == AlarmBook.Entry(since: at(2), detail: "b"))
        #expect(book.take([n2: .right], at: at(4)) == [.ended(n2)])
        #expect(book.entries.isEmpty)
    }

    @Test func `what is not known ends no alarm, and raises none`() {
        var book = AlarmBook()
        #expect(book.take([n2: .unknown], at: at(1)) == [])
        _ = book.take([n2: .wrong("a")], at: at(2))
        #expect(book.take([n2: .unknown], at: at(3)) == [])
        #expect(book.alarms(of: n2.node).map(\.code) == [.catalogDiffers])
    }

    @Test func `what is nobody's concern any more ends`() {
        var book = AlarmBook()
        _ = book.take([n2: .wrong("a"), n3: .wrong("b")], at: at(1))
        #expect(book.take([n3: .unknown], at: at(2)) == [.ended(n2)])
        #expect(book.alarms(of: n3.node).map(\.code) == [.positionNotRetained])
    }
}
