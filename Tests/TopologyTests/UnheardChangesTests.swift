import Log
import Testing
import Topology

/// Which changes of the topology writes must wait for, and how long.
@Suite struct UnheardChangesTests {
    private let change = LogIndex(50)

    /// What is unheard after `before` became `after`, once `applied` have that entry.
    private func unheard(
        _ before: TopologyDocument, _ after: TopologyDocument, applied: [UInt16] = []
    ) -> UnheardChanges {
        var changes = UnheardChanges()
        changes.note(before, after, at: change)
        settle(&changes, in: after, applied: applied)
        return changes
    }

    private func settle(
        _ changes: inout UnheardChanges, in document: TopologyDocument, applied: [UInt16]
    ) {
        changes.settle(in: document) { applied.contains($0.rawValue) ? change : .zero }
    }

    @Test func `a node that is added counts once an old replica knows of it`() throws {
        let before = try document([2: 1], minInSync: 1)
        let after = try document([2: 1, 3: 1], minInSync: 1)
        #expect(unheard(before, after).firstHeldBack == change)
        #expect(unheard(before, after, applied: [3]).firstHeldBack == change, "n3 is new")
        #expect(unheard(before, after, applied: [2]).isEmpty)
    }

    @Test func `as many old replicas must know of it as a write needed before`() throws {
        let before = try document([2: 1, 3: 1, 4: 1], minInSync: 2)
        let after = try document([2: 1, 3: 1, 4: 1, 5: 1], minInSync: 2)
        #expect(!unheard(before, after, applied: [2, 5]).isEmpty)
        #expect(unheard(before, after, applied: [2, 4]).isEmpty)
    }

    @Test func `what is counted among the same nodes need not be heard first`() throws {
        let before = try document([2: 1, 3: 1], minInSync: 1)
        #expect(unheard(before, try document([2: 1, 3: 2], minInSync: 1)).isEmpty)
        #expect(unheard(before, try document([2: 1, 3: 1], minInSync: 2)).isEmpty)
        #expect(unheard(before, try document([2: 1, 3: 1])).isEmpty, "writes shall go on")
        #expect(unheard(before, try document([2: 1], minInSync: 1)).isEmpty)
    }

    @Test func `without a minimum every node must promise, so nothing is held back`() throws {
        let before = try document([2: 1])
        #expect(unheard(before, try document([2: 1, 3: 1])).isEmpty)
        #expect(unheard(before, try document([2: 1, 3: 1], minInSync: 1)).isEmpty)
    }

    @Test func `a removed node is not waited for`() throws {
        let before = try document([2: 1], minInSync: 1)
        var changes = unheard(before, try document([2: 1, 3: 1], minInSync: 1))
        settle(&changes, in: try document([3: 1], minInSync: 1), applied: [])
        #expect(changes.isEmpty)
    }

    @Test func `who is missing is named, and only what comes later is held back`() throws {
        let before = try document([2: 1, 3: 1], minInSync: 1)
        let after = try document([2: 1, 3: 1, 4: 1], minInSync: 1)
        let changes = unheard(before, after)
        let obstacle = changes.obstacle(at: change, in: after) { _ in .zero }
        #expect(obstacle?.nodes.map(\.name.rawValue) == ["n2", "n3"])
        #expect(obstacle?.generation == after.generation)
        #expect(changes.obstacle(at: LogIndex(49), in: after) { _ in .zero } == nil)
    }

    @Test func `a history knows what was heard already`() throws {
        let before = try document([2: 1], minInSync: 1)
        let after = try document([2: 1, 3: 1], minInSync: 1)
        func changes(heard: Generation?) -> UnheardChanges {
            UnheardChanges(history: [before, after], heard: heard, knownAt: change)
        }
        #expect(changes(heard: nil).firstHeldBack == change)
        #expect(changes(heard: after.generation).isEmpty)
        var settled = changes(heard: nil)
        settle(&settled, in: after, applied: [2])
        #expect(settled.heard == after.generation)
    }
}
