import Log
import Replication
import Testing

@Suite struct ReplicaRetentionTests {
    private func retention(
        acked: UInt64?, first: UInt64 = 1, behind: UInt64 = 0, rate: Double = 0
    ) -> ReplicaRetention {
        ReplicaRetention(
            acked: acked.map { LogIndex($0) }, first: LogIndex(first), bytesBehind: behind,
            bytesMax: 1_000, bytesPerSecond: rate)
    }

    @Test func `headroom is what is left at the present rate`() {
        #expect(retention(acked: 5, behind: 200, rate: 100).headroomSeconds == 8)
        #expect(retention(acked: 5, behind: 200).headroomSeconds == nil, "nothing is written")
        #expect(retention(acked: nil, rate: 100).headroomSeconds == nil)
    }

    @Test func `beyond three quarters a full sync is near, and without its entries it is due`() {
        #expect(retention(acked: 5, behind: 750, rate: 1).need == .none)
        #expect(retention(acked: 5, behind: 751, rate: 1).need == .soon)
        let beyond = retention(acked: 5, behind: 1_001)
        #expect(beyond.need == .soon, "it may catch up while the entries are there")
        #expect(beyond.headroomSeconds == 0)
        let lost = retention(acked: 5, first: 7, behind: 10)
        #expect(lost.need == .now)
        #expect(lost.headroomSeconds == 0)
        #expect(retention(acked: 6, first: 7, behind: 10).need == .none)
        #expect(retention(acked: nil, first: 7).need == .none)
    }
}
