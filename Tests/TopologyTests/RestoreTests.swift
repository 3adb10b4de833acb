import Log
import Testing
import Topology

/// Going back to an earlier generation.
@Suite struct RestoreTests {
    private func restored(
        _ old: TopologyDocument, over current: TopologyDocument
    ) -> Result<TopologyChange, TopologyFaults> {
        current.restoring(old, nextNumber: number(9), note: note)
    }

    @Test func `the content comes back in a new generation`() throws {
        let old = try document([2: 1, 3: 2], minInSync: 1)
        let current = try document([2: 1])
        let next = try restored(old, over: current).changed()
        #expect(next.shape == "1: 2←1 9←2", "who has left comes back with a number never used")
        #expect(next.minInSyncReplicas == 1)
        #expect(next.generation == current.generation.next)
        #expect(next.reign == current.reign)
        #expect(next.reason == note.reason)
    }

    @Test func `the primary stays, and who followed the old one follows it`() throws {
        let old = try document([2: 1, 3: 1, 4: 2])
        let current = try old.movingPrimary(
            to: number(2), reign: Reign(term: 4, holder: number(2)), note: note
        ).changed()
        #expect(current.shape == "2: 1←2 3←2 4←2")
        let changed = try current.updating(number(4), upstream: number(3), note: note).changed()
        let next = try restored(old, over: changed).changed()
        #expect(next.shape == "2: 1←2 3←2 4←2")
    }

    @Test func `what is so already changes nothing`() throws {
        let current = try document([2: 1])
        #expect(try restored(current, over: current).get() == .unchanged)
    }

    @Test func `a generation without the present primary cannot come back`() throws {
        let old = try document([2: 1])
        let current = try document([2: 1, 3: 1]).movingPrimary(
            to: number(3), reign: Reign(term: 4, holder: number(3)), note: note
        ).changed()
        #expect(restored(old, over: current).faults == ["/to_generation unknown-node"])
    }
}
