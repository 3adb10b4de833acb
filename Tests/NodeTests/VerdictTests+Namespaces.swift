import Engine
import Testing
import Topology

@testable import Node

/// Of namespaces in trouble.
extension VerdictTests {
    static func troubled(
        _ name: String, _ trouble: NamespaceTrouble, since: UInt64? = nil
    ) -> NodeReport.TroubledNamespace {
        .init(
            name: name, trouble: trouble, since: since.map(ago), keys: 2, bytes: 20, quotaKeys: 2)
    }

    @Test func `a namespace that refuses writes is in the sentence`() {
        let n1 = Self.node("n1", .serving) {
            $0.namespacesInTrouble = .init(
                usedUp: 1, overSoftQuota: 0, nearlyUsedUp: 0, readOnly: 0,
                items: [Self.troubled("shop", .quotaKeysUsedUp, since: 180)])
        }
        let found = Self.verdict([n1, Self.node("n2")])
        #expect(
            found.items.map(\.text) == [
                "shop has been full for 3 min 0 s (2 of 2 keys): it refuses writes that need more, until keys are deleted or the quota is raised."
            ])
        #expect(found.worst.level == .warn)
        #expect(found.worst.namespace == "shop")
    }

    @Test func `many of them are counted, and some named`() {
        let n1 = Self.node("n1", .serving) {
            $0.namespacesInTrouble = .init(
                usedUp: 1_200, overSoftQuota: 2, nearlyUsedUp: 0, readOnly: 0,
                items: ["a", "b", "c", "d"].map { Self.troubled($0, .quotaKeysUsedUp) }
                    + ["e", "f"].map { Self.troubled($0, .softQuotaBytes) })
        }
        #expect(
            Self.texts([n1]) == [
                "1,200 namespaces are full (a, b, c and 1,197 more): they refuse writes that need more, until keys are deleted or the quota is raised.",
                "2 namespaces use more than their soft quotas (e and f); nothing is refused yet: delete keys, or raise the quotas.",
            ])
    }

    @Test func `what somebody wanted is a note, and all is well`() {
        let n1 = Self.node("n1", .serving) {
            $0.namespacesInTrouble = .init(
                usedUp: 0, overSoftQuota: 0, nearlyUsedUp: 2, readOnly: 1,
                items: [Self.troubled("shop", .readOnly, since: 5)])
        }
        let found = Self.verdict([n1, Self.node("n2")])
        #expect(
            found.items.map(\.text) == [
                "All is well: n1 accepts writes and 1 of 1 replica is in sync.",
                "shop has been read-only for 5 s.",
                "2 namespaces have nearly used up their quotas.",
            ])
        #expect(found.items.map(\.level) == [.ok, .note, .note])
        // Nor are they gone when something is wrong.
        #expect(
            Self.verdict([n1, Self.node("n2", observed: 9)]).items.map(\.code)
                == ["unheard", "read-only", "quota-nearly-used-up"])
    }

    @Test func `those that no list has room for are counted all the same`() {
        let n1 = Self.node("n1", .serving) {
            $0.namespacesInTrouble = .init(
                usedUp: 20, overSoftQuota: 3, nearlyUsedUp: 1, readOnly: 0,
                items: (10..<30).map { Self.troubled("n\($0)", .quotaKeysUsedUp) })
        }
        #expect(
            Self.texts([n1]).dropFirst() == [
                "3 namespaces use more than their soft quotas; nothing is refused yet: delete keys, or raise the quotas.",
                "1 namespace has nearly used up its quota.",
            ])
    }
}
