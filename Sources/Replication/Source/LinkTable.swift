import Log
import Platform

/// The links of a source, one per replica. Behind the source's lock.
struct LinkTable: Sendable {
    struct Link: Sendable {
        let id: String
        let replica: NodeNumber
        let name: String
        let remoteAddress: String
        let since: MonotonicTime
        /// Who the replica said it was as the link began.
        let peer: PeerIdentity
        /// Nil while the replica fetches a snapshot.
        var feed: Feed?
        var report: AckReport?
        var reportedAt: MonotonicTime
    }

    private(set) var links: [NodeNumber: Link] = [:]
    /// What each replica's subtree has last acknowledged; kept when its link ends.
    private(set) var subtreeAcked: [NodeNumber: LogIndex] = [:]
    /// What each replica itself has; kept in the same way.
    private(set) var acked: [NodeNumber: LogIndex] = [:]

    subscript(replica: NodeNumber) -> Link? { links[replica] }

    var feeds: [Feed] { links.values.compactMap(\.feed) }

    /// The replica's session asks for something: its link, begun if it is not there.
    ///
    /// - Returns: The feed of an older session, to be ended.
    mutating func begin(
        _ peer: PeerIdentity, replica: NodeNumber, session: String, from remoteAddress: String,
        feed: Feed?, at now: MonotonicTime
    ) -> Feed? {
        let old = links[replica]
        if let old, old.id == session {
            guard let feed else { return nil }
            links[replica]?.feed = feed
            return old.feed
        }
        links[replica] = Link(
            id: session, replica: replica, name: peer.name, remoteAddress: remoteAddress,
            since: now, peer: peer, feed: feed, reportedAt: now)
        return old?.feed
    }

    /// - Returns: Whether the report is of the link that there is.
    mutating func note(_ report: AckReport, at now: MonotonicTime) -> Bool {
        guard let link = links[report.node], link.id == report.session else { return false }
        links[report.node]?.report = report
        links[report.node]?.reportedAt = now
        return true
    }

    mutating func note(_ replica: NodeNumber, acked: LogIndex, subtree: LogIndex) {
        self.acked[replica] = acked
        subtreeAcked[replica] = subtree
    }

    /// The connection of `feed` is gone.
    ///
    /// - Returns: Whether that was the replica's link.
    mutating func remove(_ feed: Feed) -> Bool {
        guard let link = links.values.first(where: { $0.feed === feed }) else { return false }
        links[link.replica] = nil
        return true
    }

    /// Takes out what is not wanted any more.
    ///
    /// - Returns: What was taken out.
    mutating func removeAll(where isUnwanted: (Link) -> Bool) -> [Link] {
        let gone = links.values.filter(isUnwanted)
        for link in gone { links[link.replica] = nil }
        return gone
    }

    mutating func forget(where isUnwanted: (NodeNumber) -> Bool) {
        subtreeAcked = subtreeAcked.filter { !isUnwanted($0.key) }
        acked = acked.filter { !isUnwanted($0.key) }
    }

    /// Who would acknowledge a write now: who follows a link that lives, directly or through others,
    /// and has spoken within `silenceMax`.
    func linked(at now: MonotonicTime, silenceMax: Duration) -> Set<NodeNumber> {
        var found: Set<NodeNumber> = []
        for link in links.values {
            guard let machine = link.feed?.machine, machine.state == .streaming,
                now - link.reportedAt < silenceMax
            else { continue }
            found.insert(link.replica)
            for follower in link.report?.followers ?? [] { found.insert(follower.node) }
        }
        return found
    }

    /// What every replica that is heard of, directly or through others, has applied and synced of
    /// this history.
    func acknowledged(at now: MonotonicTime) -> [NodeNumber: (applied: LogIndex, durable: LogIndex)]
    {
        var found: [NodeNumber: (applied: LogIndex, durable: LogIndex)] = [:]
        for link in links.values {
            guard let machine = link.feed?.machine, !machine.isEnded else { continue }
            found[link.replica] = (machine.acked, machine.durable)
            guard now - link.reportedAt < FeedMachine.totalMax else { continue }
            for follower in link.report?.followers ?? [] where found[follower.node] == nil {
                // Nobody down there has more of this history than the one in between.
                let applied = min(follower.applied, machine.acked)
                found[follower.node] = (applied, min(follower.durable, applied))
            }
        }
        return found
    }
}
