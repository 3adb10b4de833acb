import Platform
import Testing

@testable import HTTPServer

@Suite struct PatienceTests {
    private static let start = MonotonicTime(nanoseconds: 1_000_000_000_000)
    private let limits = ServerLimits()  // 10 s for a header, 1 KiB/s over 10 s for a body.

    private func isExhausted(
        _ patience: inout Patience, _ phase: ClientConnection.Phase, at seconds: Int,
        lastReceivedAt: Int? = nil
    ) -> Bool {
        patience.isExhausted(
            by: phase, lastReceivedAt: lastReceivedAt.map { Self.start + .seconds($0) },
            now: Self.start + .seconds(seconds), limits: limits)
    }

    @Test func `the first header has its deadline from the connect`() {
        var patience = Patience(now: Self.start)
        let phase = ClientConnection.Phase.awaitingHeader(since: Self.start, isFirst: true)
        #expect(!isExhausted(&patience, phase, at: 10))
        #expect(isExhausted(&patience, phase, at: 11))
    }

    @Test func `an idle connection is left alone until a header begins`() {
        var patience = Patience(now: Self.start)
        let phase = ClientConnection.Phase.awaitingHeader(since: Self.start, isFirst: false)
        #expect(!isExhausted(&patience, phase, at: 40, lastReceivedAt: 0))
        #expect(!isExhausted(&patience, phase, at: 41, lastReceivedAt: 41))
        #expect(!isExhausted(&patience, phase, at: 51, lastReceivedAt: 50))
        #expect(isExhausted(&patience, phase, at: 52, lastReceivedAt: 51))
    }

    @Test func `a body is judged by each window, not by its average`() {
        var patience = Patience(now: Self.start)
        let early = ClientConnection.Phase.receivingBody(since: Self.start, bytes: 10 << 20)
        #expect(!isExhausted(&patience, early, at: 9))
        #expect(!isExhausted(&patience, early, at: 10))
        let late = ClientConnection.Phase.receivingBody(since: Self.start, bytes: 10 << 20 + 5)
        #expect(isExhausted(&patience, late, at: 20))
    }

    @Test func `a connection that is being answered may take its time`() {
        var patience = Patience(now: Self.start)
        #expect(!isExhausted(&patience, .answering, at: 3600))
    }
}
