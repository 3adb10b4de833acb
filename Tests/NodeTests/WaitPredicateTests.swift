import Log
import Testing
import Topology

@testable import Node

@Suite struct WaitPredicateTests {
    @Test(arguments: [
        ("in_sync", WaitPredicate.inSync), ("in_sync>=2", .inSyncReplicas(2)),
        ("in_sync:2", .inSyncReplicas(2)), ("converged", .converged), ("done", .done),
        ("generation>=7", .generation(Generation(7))), ("applied>=120", .applied(LogIndex(120))),
        ("applied:120", .applied(LogIndex(120))), ("state=streaming", .state(.streaming)),
        ("state=full_sync", .state(.fullSync)),
    ])
    func `a predicate is read as it is written`(text: String, predicate: WaitPredicate) {
        #expect(WaitPredicate(text) == predicate)
    }

    @Test(arguments: [
        "", "in_sync>2", "applied", "applied>=", "applied>=-1", "applied>=1x", "state=", "state=up",
        "insync", "applied>=99999999999999999999",
    ])
    func `anything else is none`(text: String) {
        #expect(WaitPredicate(text) == nil)
    }

    @Test func `each subject has its own predicates`() {
        #expect(WaitSubject.sync.admits(.inSync))
        #expect(!WaitSubject.sync.admits(.done))
        #expect(WaitSubject.node("n1").admits(.applied(.zero)))
        #expect(!WaitSubject.node("n1").admits(.converged))
        #expect(WaitSubject.operation("op").admits(.done))
    }
}
