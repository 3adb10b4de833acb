import Log
import Platform
import Replication
import Testing

@Suite struct FeedMachineTests {
    static let start = MonotonicTime(nanoseconds: 5_000_000_000)

    static func at(_ seconds: Double) -> MonotonicTime { start + .seconds(seconds) }

    static func feed() -> FeedMachine {
        var feed = FeedMachine(after: LogIndex(10), at: start)
        _ = feed.takeHeartbeat(at: start)
        return feed
    }

    /// One second in which everything works.
    static func beat(_ feed: inout FeedMachine, _ second: Double, received: UInt64? = nil) {
        feed.taken(at: at(second))
        _ = feed.takeHeartbeat(at: at(second))
        let index = received.map { LogIndex($0) } ?? feed.sent
        _ = feed.acknowledge(received: index, applied: index, durable: index, at: at(second))
    }

    @Test func `a heartbeat is due at once, then each second`() {
        var feed = FeedMachine(after: LogIndex(10), at: Self.start)
        let due = [0.0, 0.5, 1.0, 1.5, 2.0].map { feed.takeHeartbeat(at: Self.at($0)) }
        #expect(due == [true, false, true, false, true])
    }

    @Test func `indexes never go back`() {
        var feed = Self.feed()
        feed.sent(through: LogIndex(20), at: Self.at(0))
        for index in [UInt64(15), 12, 18, 3] {
            let before = feed.acked
            _ = feed.acknowledge(
                received: LogIndex(index), applied: LogIndex(index), durable: LogIndex(index),
                at: Self.at(0))
            #expect(feed.acked >= before)
        }
        #expect(feed.acked == LogIndex(18))
        #expect(feed.durable == LogIndex(18))
    }

    @Test func `nobody acknowledges what was not sent`() {
        var feed = Self.feed()
        feed.sent(through: LogIndex(12), at: Self.at(0))
        _ = feed.acknowledge(
            received: LogIndex(99), applied: LogIndex(99), durable: LogIndex(99), at: Self.at(0))
        #expect(feed.acked == LogIndex(12))
        #expect(feed.durable == LogIndex(12))
    }

    @Test func `what catches up is received, but not acknowledged`() {
        var feed = Self.feed()
        feed.sent(through: LogIndex(12), at: Self.at(0))
        _ = feed.acknowledge(
            received: LogIndex(12), applied: nil, durable: LogIndex(500), at: Self.at(0))
        #expect(feed.received == LogIndex(12))
        #expect(feed.acked == .zero)
        #expect(feed.durable == .zero)
    }

    @Test func `an idle link with reports and heartbeats lives`() {
        var feed = Self.feed()
        for second in 1..<100 {
            Self.beat(&feed, Double(second))
            #expect(feed.tick(at: Self.at(Double(second))) == .none)
        }
        #expect(feed.state == .streaming)
    }

    @Test func `without reports it is stalled after 3 s and ended after 10`() {
        var feed = Self.feed()
        for tenth in 1..<100 {
            let now = Self.at(Double(tenth) / 10)
            feed.taken(at: now)
            _ = feed.takeHeartbeat(at: now)
            let action = feed.tick(at: now)
            #expect(action == (tenth == 30 ? .publish : .none))
        }
        #expect(feed.state == .stalled(.noReports))
        #expect(feed.tick(at: Self.at(10)) == .abort)
        #expect(feed.state == .ended(.silence(.noReports)))
        #expect(feed.isEnded)
    }

    @Test func `a connection that takes nothing is stalled 3 s after something was due`() {
        var feed = Self.feed()
        var stalledAt: Double?
        for tenth in 1..<60 {
            let second = Double(tenth) / 10
            _ = feed.acknowledge(
                received: feed.sent, applied: feed.sent, durable: feed.sent, at: Self.at(second))
            if feed.state != .streaming, stalledAt == nil { stalledAt = second }
        }
        // The second heartbeat was due at 1 s.
        #expect(stalledAt == 4.0)
        #expect(feed.state == .stalled(.connectionTakesNothing))
    }

    @Test
    func `a replica that reports, but applies nothing of what was sent, is stalled, then ended`() {
        var feed = Self.feed()
        feed.sent(through: LogIndex(20), at: Self.at(0.5))
        for second in 1...3 { Self.beat(&feed, Double(second), received: 10) }
        #expect(feed.state == .streaming)
        Self.beat(&feed, 3.5, received: 10)
        #expect(feed.state == .stalled(.noAcknowledgements))
        for second in 4...10 { Self.beat(&feed, Double(second), received: 10) }
        #expect(!feed.isEnded)
        Self.beat(&feed, 10.5, received: 10)
        #expect(feed.state == .ended(.silence(.noAcknowledgements)))
    }

    @Test func `a replica that catches up slowly lives by its reports, then by what it applies`() {
        var feed = Self.feed()
        feed.sent(through: LogIndex(20), at: Self.at(0))
        for second in 1...60 {
            _ = feed.acknowledge(
                received: LogIndex(10), applied: nil, durable: .zero, at: Self.at(Double(second)))
            #expect(feed.state == .streaming)
        }
        _ = feed.acknowledge(
            received: LogIndex(15), applied: LogIndex(15), durable: .zero, at: Self.at(61))
        #expect(feed.state == .streaming, "it had no need to take anything until now")
        for second in 62...63 { Self.beat(&feed, Double(second), received: 15) }
        Self.beat(&feed, 64, received: 15)
        #expect(feed.state == .stalled(.noAcknowledgements))
        #expect(feed.tick(at: Self.at(74)) == .abort)
    }

    @Test func `a replica that catches up and reports no more is stalled`() {
        var feed = Self.feed()
        _ = feed.acknowledge(
            received: LogIndex(10), applied: nil, durable: .zero, at: Self.at(0))
        #expect(feed.tick(at: Self.at(3)) == .publish)
        #expect(feed.state == .stalled(.noReports))
    }

    @Test func `progress heals a stalled link`() {
        var feed = Self.feed()
        feed.sent(through: LogIndex(20), at: Self.at(0))
        for second in 1...5 { Self.beat(&feed, Double(second), received: 10) }
        #expect(feed.state == .stalled(.noAcknowledgements))
        Self.beat(&feed, 5.5, received: 11)
        #expect(feed.state == .streaming)
        #expect(feed.since == Self.at(5.5))
    }

    @Test func `an ended link changes no more`() {
        var feed = Self.feed()
        #expect(feed.end(.superseded, at: Self.at(1)) == .abort)
        feed.sent(through: LogIndex(50), at: Self.at(2))
        #expect(feed.end(.closed, at: Self.at(2)) == .none)
        #expect(feed.tick(at: Self.at(100)) == .none)
        #expect(feed.takeHeartbeat(at: Self.at(100)) == false)
        #expect(feed.sent == LogIndex(10))
        #expect(feed.state == .ended(.superseded))
    }

    @Test func `an acknowledgement is asked for once per index, behind the record`() {
        var feed = Self.feed()
        #expect(feed.takeAckWanted(LogIndex(11)) == false, "not sent yet")
        feed.sent(through: LogIndex(12), at: Self.at(0))
        #expect(feed.takeAckWanted(LogIndex(11)) == true)
        #expect(feed.takeAckWanted(LogIndex(11)) == false)
        #expect(feed.takeAckWanted(LogIndex(12)) == true)
        _ = feed.acknowledge(
            received: LogIndex(12), applied: LogIndex(12), durable: .zero, at: Self.at(0))
        #expect(feed.takeAckWanted(LogIndex(12)) == false, "acknowledged already")
    }
}
