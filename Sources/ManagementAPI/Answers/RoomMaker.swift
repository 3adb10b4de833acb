import Engine
import Node
import Platform

/// Makes room in a namespace that is at its quota, by removing values that have expired and nobody sees any more.
///
/// The sweep removes what expires in order of time, in all namespaces: when many expire at once, the turn of one
/// namespace may be a minute away. One look at a time goes through a few milliseconds' worth of it, and the next one
/// goes on where that has ended: so some room is found soon, and no look holds up others. What is found goes as one
/// entry as small as those of the sweep. Nothing here waits for the committer.
final class RoomMaker: Sendable {
    typealias Waiter = @Sendable (_ isMade: Bool) -> Void

    private let errands = Errands("api-room", threadsMax: 1, waitingMax: 64)
    private let looks = Monitor(RoomLooks<Waiter>())

    private static let lookTime: Duration = .milliseconds(20)
    /// Lines of one entry: decided within a millisecond or two.
    private static let countMax = 64

    /// Returns at once; `done` is called on any thread, where it must be quick.
    func makeRoom(in namespace: NamespaceID, of node: Node, _ done: @escaping Waiter) {
        switch looks.withLock({ $0.join(namespace, done, now: .now()) }) {
        case .waits: return
        case .none: done(false)
        case .looks(let key):
            let isTaken = errands.run { [self] in look(in: namespace, of: node, after: key) }
            if !isTaken { end(namespace, isMade: false, next: key) }
        }
    }

    /// Blocks on the disk.
    private func look(in namespace: NamespaceID, of node: Node, after key: [UInt8]?) {
        let limits = ExpiredKeys.Limits(
            countMax: RoomMaker.countMax, until: .now() + RoomMaker.lookTime)
        guard let view = try? node.engine?.view(of: namespace),
            var found = try? view.expiredKeys(after: key, limits)
        else { return end(namespace, isMade: false, next: nil) }
        if found.lines.isEmpty, found.next == nil, key != nil,
            let first = try? view.expiredKeys(after: nil, limits)
        {
            // What expires later may stand before what has gone.
            found = first
        }
        guard !found.lines.isEmpty else {
            return end(namespace, isMade: false, next: found.next)
        }
        let next = found.next
        node.submit(ExpireKeys(found.lines), needsSpace: false) { [self] result in
            // If the sweep was there first there is room all the same.
            let isMade = if case .success = result { true } else { false }
            end(namespace, isMade: isMade, next: next)
        }
    }

    private func end(_ namespace: NamespaceID, isMade: Bool, next: [UInt8]?) {
        let waiting = looks.withLock {
            $0.end(namespace, isMade: isMade, next: next, now: .now())
        }
        for waiter in waiting { waiter(isMade) }
    }
}
