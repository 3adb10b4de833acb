import JSON
import Log
import Platform
import Replication
import Testing
import Topology

/// Drives a machine by hand: every edge of the diagram in `ReplicaMachine.swift`.
@Suite struct ReplicaMachineTests {
    typealias Machine = ReplicaMachine

    static let start = MonotonicTime(nanoseconds: 1_000_000_000_000)
    static let holder = NodeNumber(rawValue: 1)
    static let reign = Reign(term: 2, holder: holder)
    static let version = TopologyVersion(reign: reign, generation: Generation(5))
    static let here = Position(index: LogIndex(10), hash: Hash128(high: 1, low: 10))

    static func at(_ seconds: Double) -> MonotonicTime { start + .seconds(seconds) }

    static func place(_ index: UInt64) -> Position {
        Position(index: LogIndex(index), hash: Hash128(high: 1, low: index))
    }

    static func machine(
        position: Position? = here, forced: FullSyncReason? = nil
    ) -> Machine {
        Machine(
            position: position, lastReign: reign, known: version, forced: forced, at: start)
    }

    static func streaming() -> Machine {
        var machine = machine()
        _ = machine.take(.connected, at: start)
        _ = machine.take(.answered(.accepted(reign: reign, last: here.index)), at: start)
        return machine
    }

    static func catchingUp() -> Machine {
        var machine = machine(position: nil)
        _ = machine.take(.connected, at: start)
        for stage in [FullSyncStage.fetch, .verify, .load] {
            _ = machine.take(.stage(stage), at: start)
        }
        _ = machine.take(.loaded(place(7), reign), at: start)
        return machine
    }

    static func hints(reign: Reign) throws -> HistoryHints {
        let document = FeedRefusal(
            409, "history-diverged", "",
            [
                ("last_position", ["index": 9, "hash": .string(Hash128.zero.hex)]),
                ("last_reign", .string("\(reign)")), ("reigns", []),
            ])
        return try #require(
            HistoryHints(json: .object(.init(document.members.map { ($0.name, $0.value) }))))
    }

    // MARK: - Beginning

    @Test func `a connected node with a position asks for what follows it`() {
        var machine = Self.machine()
        #expect(machine.state == .connecting)
        #expect(machine.take(.connected, at: Self.at(0)) == [.openStream(after: Self.here)])
        #expect(machine.state == .handshake)
    }

    @Test(arguments: [nil, Position.origin])
    func `a node without a state of its own begins with a full sync`(position: Position?) {
        var machine = Self.machine(position: position)
        #expect(machine.take(.connected, at: Self.at(0)) == [.startFullSync(.empty)])
        #expect(machine.state == .fullSync(.empty, .prepare))
    }

    @Test(arguments: [FullSyncReason.requested, .catalogDiffers])
    func `a full sync that is wanted begins when the upstream has what this node has`(
        reason: FullSyncReason
    ) {
        var machine = Self.machine(forced: reason)
        #expect(machine.take(.connected, at: Self.at(0)) == [.openStream(after: Self.here)])
        let answer = Machine.HandshakeAnswer.accepted(reign: Self.reign, last: LogIndex(9))
        #expect(machine.take(.answered(answer), at: Self.at(0)) == [.startFullSync(reason)])
        #expect(machine.state == .fullSync(reason, .prepare))
    }

    @Test(arguments: [FullSyncReason.requested, .catalogDiffers])
    func `a full sync that is wanted keeps what only this node has`(
        reason: FullSyncReason
    ) throws {
        var machine = Self.machine(forced: reason)
        _ = machine.take(.connected, at: Self.at(0))
        let hints = try Self.hints(reign: Reign(term: 9, holder: Self.holder))
        #expect(
            machine.take(.answered(.diverged(hints, detail: "")), at: Self.at(0))
                == [.keepDivergedTail(hints), .startFullSync(.historyDiverged)])
    }

    @Test func `two hashes in one reign are replaced on request alone, and all of it is kept`()
        throws
    {
        let hints = try Self.hints(reign: Self.reign)
        let answer = Machine.HandshakeAnswer.refused(code: "history-damaged", detail: "", hints)
        var machine = Self.machine()
        _ = machine.take(.connected, at: Self.at(0))
        #expect(machine.take(.answered(answer), at: Self.at(0)).first == .closeLink)
        #expect(machine.lastError?.code == "history-damaged")
        var asked = Self.machine(forced: .requested)
        _ = asked.take(.connected, at: Self.at(0))
        #expect(
            asked.take(.answered(answer), at: Self.at(0))
                == [.keepDivergedTail(nil), .startFullSync(.requested)])
    }

    @Test func `a tail that could not be kept is tried again before anything is replaced`()
        throws
    {
        var machine = Self.machine()
        _ = machine.take(.connected, at: Self.at(0))
        let hints = try Self.hints(reign: Reign(term: 9, holder: Self.holder))
        let diverged = Machine.HandshakeAnswer.diverged(hints, detail: "")
        #expect(
            machine.take(.answered(diverged), at: Self.at(0))
                == [.keepDivergedTail(hints), .startFullSync(.historyDiverged)])
        _ = machine.take(.failed(.tailNotKept("no space")), at: Self.at(0))
        #expect(machine.state.word == .backoff)
        _ = machine.take(.tick, at: Self.at(10))
        #expect(machine.take(.connected, at: Self.at(10)) == [.openStream(after: Self.here)])
        #expect(
            machine.take(.answered(diverged), at: Self.at(10))
                == [.keepDivergedTail(hints), .startFullSync(.historyDiverged)])
    }

    @Test func `who gives up his own history asks first where the histories part`() throws {
        var machine = Self.machine(forced: .historyDiverged)
        #expect(machine.take(.connected, at: Self.at(0)) == [.openStream(after: Self.here)])
        let hints = try Self.hints(reign: Reign(term: 1, holder: Self.holder))
        let answer = Machine.HandshakeAnswer.refused(code: "upstream-behind", detail: "", hints)
        #expect(
            machine.take(.answered(answer), at: Self.at(0))
                == [.keepDivergedTail(hints), .startFullSync(.historyDiverged)])
    }

    // MARK: - The handshake

    @Test func `equal hash: stream`() {
        let machine = Self.streaming()
        #expect(machine.state == .streaming)
        #expect(machine.pendingSync == nil)
    }

    @Test func `no longer retained: full sync, with the reason`() {
        var machine = Self.machine()
        _ = machine.take(.connected, at: Self.at(0))
        #expect(
            machine.take(.answered(.notRetained(detail: "")), at: Self.at(0))
                == [.startFullSync(.positionNotRetained)])
        #expect(machine.state == .fullSync(.positionNotRetained, .prepare))
    }

    @Test func `divergence is believed of a higher reign, and the tail is kept first`() throws {
        var machine = Self.machine()
        _ = machine.take(.connected, at: Self.at(0))
        let hints = try Self.hints(reign: Reign(term: 3, holder: Self.holder))
        #expect(
            machine.take(.answered(.diverged(hints, detail: "")), at: Self.at(0))
                == [.keepDivergedTail(hints), .startFullSync(.historyDiverged)])
    }

    @Test(arguments: [UInt32(1), 2])
    func `divergence is not believed of a reign that is not above ours`(term: UInt32) throws {
        var machine = Self.machine()
        _ = machine.take(.connected, at: Self.at(0))
        let hints = try Self.hints(reign: Reign(term: term, holder: Self.holder))
        _ = machine.take(.answered(.diverged(hints, detail: "")), at: Self.at(0))
        #expect(machine.state.word == .backoff)
        #expect(machine.lastError?.code == "history-diverged")
        #expect(machine.pendingSync == nil)
    }

    @Test func `the tail is kept once, however often the full sync begins anew`() throws {
        var machine = Self.machine()
        _ = machine.take(.connected, at: Self.at(0))
        let hints = try Self.hints(reign: Reign(term: 3, holder: Self.holder))
        _ = machine.take(.answered(.diverged(hints, detail: "")), at: Self.at(0))
        _ = machine.take(.failed(.unreachable("")), at: Self.at(1))
        _ = machine.take(.tick, at: Self.at(10))
        #expect(machine.take(.connected, at: Self.at(10)) == [.startFullSync(.historyDiverged)])
    }

    @Test func `a replica that is ahead of its upstream waits`() {
        var machine = Self.machine()
        _ = machine.take(.connected, at: Self.at(0))
        let answer = Machine.HandshakeAnswer.refused(code: "upstream-behind", detail: "", nil)
        _ = machine.take(.answered(answer), at: Self.at(0))
        #expect(machine.state.word == .backoff)
        #expect(machine.lastError?.code == "upstream-behind")
    }

    @Test func `a stream of a lower reign is refused`() {
        var machine = Self.machine()
        _ = machine.take(.connected, at: Self.at(0))
        let low = Reign(term: 1, holder: Self.holder)
        _ = machine.take(.answered(.accepted(reign: low, last: LogIndex(20))), at: Self.at(0))
        #expect(machine.lastError?.code == "lower-reign")
        #expect(machine.state.word == .backoff)
    }

    // MARK: - Streaming

    @Test func `what was applied is acknowledged, and at once when it is asked for`() {
        var machine = Self.streaming()
        #expect(
            machine.take(.applied(Self.place(11), Self.reign), at: Self.at(0))
                == [.acknowledge(atOnce: false)])
        #expect(machine.position == Self.place(11))
        #expect(machine.take(.ackWanted, at: Self.at(0)) == [.acknowledge(atOnce: true)])
    }

    @Test func `after 3 s without a byte the link is stalled, closed and retried`() throws {
        var machine = Self.streaming()
        #expect(machine.take(.tick, at: Self.at(2.9)) == [])
        let actions = machine.take(.tick, at: Self.at(3))
        #expect(actions.first == .closeLink)
        #expect(machine.state.word == .stalled)
        #expect(machine.lastError?.code == "idle-timeout")
        guard case .stalled(let retry) = machine.state else { return }
        #expect(actions.last == .wait(until: retry.nextRetryAt))
        let retried = machine.take(.tick, at: retry.nextRetryAt)
        #expect(retried.count == 1)
        #expect(machine.state == .connecting)
    }

    static func beat(_ index: UInt64, isUpstream: Bool = true, term: UInt32 = 2) -> Machine.Event {
        .heartbeat(
            Machine.Beat(
                originIndex: LogIndex(index), reign: Reign(term: term, holder: holder),
                isUpstream: isUpstream, isFresh: true))
    }

    @Test func `heartbeats without the entries that they promise stall a link after 10 s`() {
        var machine = Self.streaming()
        for second in 1..<10 {
            _ = machine.take(Self.beat(20), at: Self.at(Double(second)))
            #expect(machine.take(.tick, at: Self.at(Double(second))) == [])
        }
        _ = machine.take(Self.beat(20), at: Self.at(10))
        _ = machine.take(.tick, at: Self.at(10))
        #expect(machine.state.word == .stalled)
        #expect(machine.lastError?.code == "stall-timeout")
    }

    @Test(arguments: [(UInt64(10), true), (20, false)])
    func `a link with nothing to send, or whose upstream waits itself, does not stall`(
        index: UInt64, isUpstream: Bool
    ) {
        var machine = Self.streaming()
        for second in 1..<60 {
            _ = machine.take(Self.beat(index, isUpstream: isUpstream), at: Self.at(Double(second)))
            #expect(machine.take(.tick, at: Self.at(Double(second))) == [])
        }
        #expect(machine.state == .streaming)
    }

    @Test func `a heartbeat of a lower reign ends the link`() {
        var machine = Self.streaming()
        let actions = machine.take(Self.beat(20, term: 1), at: Self.at(1))
        #expect(actions.first == .closeLink)
        #expect(machine.lastError?.code == "lower-reign")
    }

    @Test func `a reign that was promised meanwhile counts at the next heartbeat`() {
        var machine = Self.streaming()
        let higher = TopologyVersion(
            reign: Reign(term: 9, holder: Self.holder), generation: Generation(1))
        _ = machine.take(.learned(higher), at: Self.at(1))
        let actions = machine.take(Self.beat(20), at: Self.at(1))
        #expect(actions.first == .closeLink)
    }

    // MARK: - Full sync

    @Test func `a loaded state catches up to where the upstream was, and only then is swapped in`()
    {
        var machine = Self.catchingUp()
        #expect(machine.state == .fullSync(.empty, .catchUp))
        #expect(
            machine.take(
                .answered(.accepted(reign: Self.reign, last: LogIndex(9))), at: Self.at(0)) == [])
        #expect(machine.take(.applied(Self.place(8), Self.reign), at: Self.at(0)) == [])
        #expect(machine.take(.applied(Self.place(9), Self.reign), at: Self.at(0)) == [.swap])
        #expect(machine.state == .fullSync(.empty, .swap))
        #expect(machine.take(.swapped, at: Self.at(0)) == [.acknowledge(atOnce: true)])
        #expect(machine.state == .streaming)
        #expect(machine.pendingSync == nil)
    }

    @Test func `a state that is already where the upstream is is swapped in at the handshake`() {
        var machine = Self.catchingUp()
        #expect(
            machine.take(
                .answered(.accepted(reign: Self.reign, last: LogIndex(7))), at: Self.at(0))
                == [.swap])
    }

    @Test func `a full sync that fails is taken up again by the next attempt`() {
        var machine = Self.catchingUp()
        _ = machine.take(.failed(.unreachable("")), at: Self.at(0))
        #expect(machine.state.word == .backoff)
        #expect(machine.pendingSync == .empty)
        _ = machine.take(.tick, at: Self.at(10))
        #expect(machine.take(.connected, at: Self.at(10)) == [.startFullSync(.empty)])
    }

    @Test func `a snapshot that the log has left behind is dropped`() {
        var machine = Self.catchingUp()
        let actions = machine.take(.answered(.notRetained(detail: "")), at: Self.at(0))
        #expect(actions.prefix(2) == [.dropStaging, .closeLink])
        #expect(machine.pendingSync == .empty)
    }

    @Test func `a transfer without a byte for 10 s is stalled, one that flows is not`() {
        var machine = Self.machine(position: nil)
        _ = machine.take(.connected, at: Self.at(0))
        _ = machine.take(.stage(.fetch), at: Self.at(0))
        for second in 1..<30 {
            _ = machine.take(.fetched, at: Self.at(Double(second)))
            #expect(machine.take(.tick, at: Self.at(Double(second))) == [])
        }
        #expect(machine.take(.tick, at: Self.at(38.9)) == [])
        let actions = machine.take(.tick, at: Self.at(39))
        #expect(actions.first == .closeLink)
        #expect(machine.state.word == .stalled)
    }

    // MARK: - Failure, word and end

    @Test func `since when a link fails is kept through its tries, until it brings something`() {
        var machine = Self.streaming()
        #expect(machine.failing == nil)
        _ = machine.take(Self.beat(10), at: Self.at(5))
        _ = machine.take(.failed(.silent(.idle)), at: Self.at(8))
        #expect(machine.failing == .init(state: .stalled, since: Self.at(5)))
        for second in [20.0, 30] {
            _ = machine.take(.tick, at: Self.at(second))
            #expect(machine.state.word == .connecting)
            _ = machine.take(.failed(.unreachable("")), at: Self.at(second + 1))
            #expect(machine.failing == .init(state: .backoff, since: Self.at(5)))
        }
        _ = machine.take(.tick, at: Self.at(40))
        _ = machine.take(.connected, at: Self.at(40))
        _ = machine.take(
            .answered(.accepted(reign: nil, last: LogIndex(11))), at: Self.at(40))
        #expect(machine.failing != nil, "a link that only stands has brought nothing")
        _ = machine.take(.applied(Self.place(11), Self.reign), at: Self.at(41))
        #expect(machine.failing == nil)
        // The next failure is of another row.
        _ = machine.take(.failed(.silent(.idle)), at: Self.at(50))
        #expect(machine.failing == .init(state: .stalled, since: Self.at(41)))
    }

    @Test func `a second failure of the same link changes nothing`() {
        var machine = Self.streaming()
        _ = machine.take(.failed(.silent(.idle)), at: Self.at(1))
        let state = machine.state
        #expect(machine.take(.failed(.unreachable("cut")), at: Self.at(1)) == [])
        #expect(machine.state == state)
    }

    @Test(arguments: [Machine.Told.removed, .fenced])
    func `removed or fenced is believed of a higher version alone`(what: Machine.Told) {
        var machine = Self.streaming()
        _ = machine.take(.told(what, Self.version), at: Self.at(0))
        #expect(machine.state.word == .backoff)

        machine = Self.streaming()
        let higher = TopologyVersion(reign: Self.reign, generation: Generation(6))
        #expect(machine.take(.told(what, higher), at: Self.at(0)) == [.closeLink])
        #expect(machine.state.word == (what == .removed ? .detached : .fenced))
        #expect(machine.take(.tick, at: Self.at(100)) == [])
        _ = machine.take(.stop, at: Self.at(100))
        #expect(machine.state == .stopped)
    }

    @Test func `from every state stop ends the link, and nothing starts it again`() {
        var machines = [Self.machine(), Self.streaming(), Self.catchingUp()]
        var failed = Self.streaming()
        _ = failed.take(.failed(.silent(.idle)), at: Self.at(0))
        machines.append(failed)
        for var machine in machines {
            _ = machine.take(.stop, at: Self.at(0))
            #expect(machine.state == .stopped)
            for event in [Machine.Event.connected, .tick, .swapped, .failed(.unreachable(""))] {
                #expect(machine.take(event, at: Self.at(100)) == [])
            }
            #expect(machine.state == .stopped)
        }
    }

    @Test func `what was being applied as the link was given up counts for the next attempt`() {
        var machine = Self.streaming()
        _ = machine.take(.failed(.refused("no-such-link", "")), at: Self.at(0))
        #expect(machine.take(.applied(Self.place(11), Self.reign), at: Self.at(0)) == [])
        _ = machine.take(.tick, at: Self.at(10))
        #expect(machine.take(.connected, at: Self.at(10)) == [.openStream(after: Self.place(11))])
    }

    @Test func `a swap that ends as the link is given up is a swap`() {
        var machine = Self.catchingUp()
        _ = machine.take(
            .answered(.accepted(reign: Self.reign, last: LogIndex(7))), at: Self.at(0))
        _ = machine.take(.failed(.refused("no-such-link", "")), at: Self.at(0))
        _ = machine.take(.swapped, at: Self.at(0))
        _ = machine.take(.tick, at: Self.at(10))
        #expect(machine.take(.connected, at: Self.at(10)) == [.openStream(after: Self.place(7))])
    }

    @Test func `late results of a link that was given up change nothing`() {
        var machine = Self.streaming()
        _ = machine.take(.failed(.silent(.idle)), at: Self.at(0))
        let state = machine.state
        let late: [Machine.Event] = [
            Self.beat(20), .ackWanted, .loaded(Self.place(9), Self.reign), .stage(.load),
            .answered(.accepted(reign: nil, last: LogIndex(9))),
        ]
        for event in late { #expect(machine.take(event, at: Self.at(0)) == []) }
        #expect(machine.state == state)
    }

    @Test(arguments: UInt64(0)..<200)
    func `whatever comes in whatever order, entries are asked for only where the diagram says`(
        seed: UInt64
    ) throws {
        var generator = SplitMix64(seed: seed)
        var machine = Self.machine(position: seed % 2 == 0 ? nil : Self.here)
        var now = Self.start
        var last = UInt64(10)
        let hints = try Self.hints(reign: Reign(term: 3, holder: Self.holder))
        for _ in 0..<200 {
            now = now + .milliseconds(Int64.random(in: 0...4000, using: &generator))
            last += 1
            let events: [Machine.Event] = [
                .tick, .tick, .connected, .answered(.accepted(reign: nil, last: LogIndex(last))),
                .answered(.notRetained(detail: "")), .answered(.diverged(hints, detail: "")),
                .applied(Self.place(last), Self.reign), Self.beat(last), .stage(.fetch),
                .stage(.load), .loaded(Self.place(last), Self.reign), .swapped,
                .failed(.unreachable("")), .failed(.silent(.idle)),
            ]
            let before = machine.pendingSync
            let event = events[Int.random(in: 0..<events.count, using: &generator)]
            let swapped = event == .swapped
            let actions = machine.take(event, at: now)
            for action in actions {
                switch action {
                case .openStream:
                    #expect(machine.state == .handshake || machine.state.word == .fullSync)
                case .swap: #expect(machine.state.word == .fullSync && machine.pendingSync != nil)
                case .startFullSync(let reason): #expect(machine.pendingSync == reason)
                default: break
                }
            }
            // 2: a full sync ends by a swap alone.
            if before != nil, machine.pendingSync == nil {
                #expect(swapped || machine.state == .streaming)
            }
        }
    }
}
