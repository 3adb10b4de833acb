import Log
import Testing

@Suite struct RetentionTests {
    /// A log of entries 101 to 1000, of 10 bytes each.
    private func decide(
        persisted: UInt64, leased: [UInt64] = [], acknowledged: [UInt64] = [],
        bytesMax: UInt64 = 5_000
    ) -> RetentionDecision {
        RetentionNeeds(
            persistedIndex: LogIndex(persisted), leasedIndexes: leased.map { LogIndex($0) },
            acknowledgedIndexes: acknowledged.map { LogIndex($0) }, bytesMax: bytesMax, bytesMin: 0
        ).decide(first: LogIndex(101), last: LogIndex(1_000)) {
            LogIndex(1_000).distance(past: $0) * 10
        }
    }

    @Test func `without replicas what the state has is not needed`() {
        #expect(decide(persisted: 900).keepFrom == LogIndex(901))
    }

    @Test func `a state ahead of its log needs nothing`() {
        #expect(decide(persisted: 2_000).keepFrom == LogIndex(1_001))
    }

    @Test func `state and leases hold more than the limit`() {
        #expect(decide(persisted: 150).keepFrom == LogIndex(151))
        #expect(decide(persisted: 900, leased: [700, 120]).keepFrom == LogIndex(121))
    }

    @Test func `the slowest replica holds up to the limit`() {
        let decision = decide(persisted: 900, acknowledged: [999, 500, 800])
        #expect(decision.keepFrom == LogIndex(501) && !decision.isLimited)
    }

    @Test func `a replica beyond the limit is left behind, and the others are not`() {
        let decision = decide(persisted: 900, acknowledged: [499, 300, 800])
        #expect(decision.keepFrom == LogIndex(801))
        #expect(decision.abandonedIndexes == [LogIndex(300), LogIndex(499)])
        #expect(decision.isLimited)
    }

    @Test func `a replica that others keep the log for is not left behind`() {
        let decision = decide(persisted: 200, acknowledged: [300])
        #expect(decision.keepFrom == LogIndex(201) && !decision.isLimited)
        let leased = decide(persisted: 900, leased: [250], acknowledged: [300, 240])
        #expect(leased.keepFrom == LogIndex(251))
        #expect(leased.abandonedIndexes == [LogIndex(240)])
    }

    @Test func `a replica that claims more than there is holds nothing`() {
        #expect(decide(persisted: 900, acknowledged: [.max]).keepFrom == LogIndex(901))
    }

    @Test func `a replica whose next entry is gone holds nothing`() {
        #expect(decide(persisted: 900, acknowledged: [50]).keepFrom == LogIndex(901))
        #expect(
            decide(persisted: 900, acknowledged: [100], bytesMax: 9_000).keepFrom == LogIndex(101))
    }
}
