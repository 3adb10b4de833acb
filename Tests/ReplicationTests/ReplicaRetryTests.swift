import Log
import Platform
import Replication
import Testing

/// When a replica's link is tried again.
@Suite struct ReplicaRetryTests {
    typealias Machine = ReplicaMachine
    typealias Parts = ReplicaMachineTests

    @Test func `waits grow from 100 ms to 5 s, whatever chance says`() {
        var generator = SplitMix64(seed: 7)
        var machine = Parts.machine()
        var now = Parts.start
        for attempt in 1...20 {
            let chance = Double.random(in: 0..<1, using: &generator)
            _ = machine.take(.failed(.unreachable("")), at: now, chance: chance)
            guard case .backoff(let retry) = machine.state else {
                Issue.record("\(machine.state)")
                return
            }
            #expect(retry.attempt == attempt)
            let wait = retry.nextRetryAt - now
            #expect(wait >= .milliseconds(100) && wait <= .seconds(5))
            if attempt > 8 { #expect(wait >= .seconds(3.7)) }
            now = retry.nextRetryAt
            _ = machine.take(.tick, at: now)
        }
    }

    @Test func `a link that has streamed for a second has no failures in a row any more`() {
        var machine = Parts.streaming()
        _ = machine.take(.failed(.unreachable("")), at: Parts.at(1))
        _ = machine.take(.tick, at: Parts.at(2))
        _ = machine.take(.connected, at: Parts.at(2))
        _ = machine.take(
            .answered(.accepted(reign: Parts.reign, last: Parts.here.index)), at: Parts.at(2))
        #expect(machine.attempt == 1)
        #expect(machine.lastError != nil)
        _ = machine.take(Parts.beat(10), at: Parts.at(3.1))
        #expect(machine.attempt == 0)
        #expect(machine.lastError == nil)
    }

    @Test func `a link that breaks soon and brings something each time is retried at once`() {
        var machine = Parts.machine()
        var now = Parts.start
        for round in 1...20 as ClosedRange<UInt64> {
            _ = machine.take(.connected, at: now)
            _ = machine.take(.answered(.accepted(reign: Parts.reign, last: LogIndex(99))), at: now)
            _ = machine.take(.applied(Parts.place(10 + round), Parts.reign), at: now)
            _ = machine.take(.failed(.unreachable("reset")), at: now + .milliseconds(50))
            guard case .backoff(let retry) = machine.state else {
                Issue.record("\(machine.state)")
                return
            }
            #expect(retry.attempt == 1)
            #expect(retry.nextRetryAt <= now + .milliseconds(200))
            now = retry.nextRetryAt
            _ = machine.take(.tick, at: now)
        }
        #expect(machine.position == Parts.place(30))
    }

    @Test func `a transfer that breaks soon and fetches something each time is retried at once`() {
        var machine = Parts.machine(position: nil)
        var now = Parts.start
        for _ in 1...20 {
            _ = machine.take(.connected, at: now)
            _ = machine.take(.stage(.fetch), at: now)
            _ = machine.take(.fetched, at: now)
            _ = machine.take(.failed(.silent(.idle)), at: now + .seconds(3))
            #expect(machine.attempt == 1)
            guard case .stalled(let retry) = machine.state else {
                Issue.record("\(machine.state)")
                return
            }
            now = retry.nextRetryAt
            _ = machine.take(.tick, at: now)
        }
    }

    @Test(arguments: [
        Machine.Failure.badData("twice another hash"), .local("disk-full", "no space"),
        .refused("snapshot-too-old", "the log has gone on"),
    ])
    func `what was fetched in vain does not make the next attempt come sooner`(
        failure: Machine.Failure
    ) {
        var machine = Parts.machine(position: nil)
        var now = Parts.start
        for attempt in 1...5 {
            _ = machine.take(.connected, at: now)
            _ = machine.take(.stage(.fetch), at: now)
            _ = machine.take(.fetched, at: now)
            _ = machine.take(.failed(failure), at: now)
            #expect(machine.attempt == attempt)
            guard case .backoff(let retry) = machine.state else {
                Issue.record("\(machine.state)")
                return
            }
            now = retry.nextRetryAt
            _ = machine.take(.tick, at: now)
        }
    }

    @Test func `a link that brings nothing is retried ever later, though it is accepted each time`()
    {
        var machine = Parts.machine()
        var now = Parts.start
        for attempt in 1...8 {
            _ = machine.take(.connected, at: now)
            _ = machine.take(.answered(.accepted(reign: Parts.reign, last: LogIndex(10))), at: now)
            _ = machine.take(.failed(.unreachable("reset")), at: now)
            #expect(machine.attempt == attempt)
            guard case .backoff(let retry) = machine.state else {
                Issue.record("\(machine.state)")
                return
            }
            now = retry.nextRetryAt
            _ = machine.take(.tick, at: now)
        }
        #expect(now - Parts.start > .seconds(5))
    }
}
