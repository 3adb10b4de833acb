import Log
import Platform

extension LinkStatus {
    /// The status of `link`, where the log grows by `rate` bytes per second, and a replica is waited for
    /// as long as it lacks at most `retentionBytesMax` of it.
    init(
        _ link: LinkTable.Link, _ log: EntryLog?, _ clock: LagClock, _ rate: Double,
        _ retentionBytesMax: UInt64, at now: MonotonicTime
    ) {
        let machine = link.feed?.machine
        id = link.id
        replica = link.replica
        replicaName = link.name
        remoteAddress = link.remoteAddress
        report = link.report
        reportedAt = link.report == nil ? nil : link.reportedAt
        (state, since, trouble) = LinkStatus.state(link, machine, at: now)
        lastProgressAt = machine?.lastProgressAt ?? link.reportedAt
        sent = machine?.sent
        acked = machine.flatMap { $0.acked == .zero ? nil : $0.acked }
        durable = acked == nil ? nil : machine?.durable
        lag = acked.map { acked in
            var lag = clock.lag(acked: acked, at: now)
            // The log knows better than samples do.
            if let log, lag.entries > 0 { lag.bytes = log.bytes(after: acked) }
            return lag
        }
        let retention = machine.flatMap { machine in
            log.map { log in
                let has = max(machine.acked, machine.received)
                return ReplicaRetention(
                    acked: has, first: log.first, bytesBehind: log.bytes(after: has),
                    bytesMax: retentionBytesMax, bytesPerSecond: rate)
            }
        }
        headroomSeconds = retention?.headroomSeconds
        needsFullSync = retention?.need == .now
    }

    private static func state(
        _ link: LinkTable.Link, _ machine: FeedMachine?, at now: MonotonicTime
    ) -> (State, MonotonicTime, String?) {
        guard let machine else {
            // Snapshots are made and fetched without a feed; the reports show that somebody is there.
            let isSilent = now - link.reportedAt >= FeedMachine.silenceMax
            return isSilent
                ? (.stalled, link.reportedAt, FeedMachine.Silence.noReports.rawValue)
                : (.fullSync, link.since, nil)
        }
        switch machine.state {
        case .streaming:
            let isCatchingUp = link.report?.state == ReplicaStateWord.fullSync.rawValue
            return (isCatchingUp ? .fullSync : .streaming, machine.since, nil)
        case .stalled(let silence): return (.stalled, machine.since, silence.rawValue)
        case .ended(.silence(let silence)): return (.stalled, machine.since, silence.rawValue)
        case .ended: return (.stalled, machine.since, "the connection is being closed")
        }
    }
}
