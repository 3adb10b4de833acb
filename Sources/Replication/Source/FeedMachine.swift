public import Log
public import Platform

/// The source's end of one link, from the handshake on.
///
/// Pure: it decides, the caller performs. No clock, no socket, no lock.
///
///     streaming ◀──progress or word of the replica──▶ stalled ──10 s──▶ ended
///         └──────────────── end(reason) ──────────────────────────────────▲
///
/// A link that the topology has ended is finished: it gets the entry that ends it and nothing behind,
/// and the replica, which learns so from that entry, has ``finishMax`` to close it.
///
/// Three silences count, each for 3 s: the connection takes no bytes though some are due; the
/// replica sends no report; what was sent is not received. 10 s of any of them end the link.
///
/// A replica that reports, but does not serve yet, catches up no faster than the limit of its full
/// sync: then its reports alone count, and it judges the connection itself.
///
/// Invariants
///  1. `acked <= received <= sent`, and none goes back.
///  2. `durable <= acked`: what does not serve does not count as synced.
///  3. An ended link changes no more.
public struct FeedMachine: Sendable {
    public enum State: Equatable, Sendable {
        case streaming
        case stalled(Silence)
        case ended(EndReason)
    }

    /// Which deadline has passed.
    public enum Silence: String, Equatable, Sendable {
        case connectionTakesNothing = "the connection takes no bytes"
        case noReports = "the replica sends no reports"
        case noAcknowledgements = "what was sent is not applied"
    }

    public enum EndReason: Equatable, Sendable {
        /// The deadline of ``totalMax``.
        case silence(Silence)
        /// The replica closed the connection.
        case closed
        /// The replica began another session.
        case superseded
        /// The topology does not have the link any more, this node stopped feeding, or its log cannot
        /// be read.
        case told(String)
    }

    /// What the caller has to do.
    public enum Action: Equatable, Sendable {
        case none
        /// The state has changed: publish it.
        case publish
        /// Break the connection off.
        case abort
    }

    public static let silenceMax = Duration.seconds(3)
    public static let totalMax = Duration.seconds(10)
    public static let heartbeatInterval = Duration.seconds(1)
    /// For a link that is not wanted any more.
    public static let finishMax = Duration.seconds(1)

    public private(set) var state = State.streaming
    /// Of the present state.
    public private(set) var since: MonotonicTime
    /// When the received index last rose, or nothing was outstanding.
    public private(set) var lastProgressAt: MonotonicTime
    public private(set) var sent: LogIndex
    /// Applied by the replica to whatever the stream goes to: during a full sync's catching up, a
    /// state that does not serve yet.
    public private(set) var received: LogIndex
    /// Applied to the state that serves.
    public private(set) var acked: LogIndex
    public private(set) var durable: LogIndex
    private var lastReportAt: MonotonicTime
    private var lastTakenAt: MonotonicTime
    private var heartbeatAt: MonotonicTime
    private var lastAckWanted: LogIndex
    /// By the last report.
    private var isCatchingUp = false
    private var finish: Finish?

    private struct Finish: Sendable {
        var through: LogIndex
        var deadline: MonotonicTime
        var reason: String
    }

    /// A link whose handshake has found the same history up to `index`.
    public init(after index: LogIndex, at now: MonotonicTime) {
        sent = index
        received = index
        acked = .zero
        durable = .zero
        since = now
        lastProgressAt = now
        lastReportAt = now
        lastTakenAt = now
        heartbeatAt = now
        lastAckWanted = index
    }

    public var isEnded: Bool { if case .ended = state { true } else { false } }

    private func checkInvariants() {
        invariant(
            acked <= received && received <= sent,
            "1: \(acked) acknowledged, \(received) received of \(sent) sent")
        invariant(durable <= acked, "2: \(durable) durable of \(acked) acknowledged")
    }

    /// The connection asked for bytes: whatever was handed over before has left.
    public mutating func taken(at now: MonotonicTime) {
        guard !isEnded else { return }
        lastTakenAt = now
    }

    /// Records up to `index` were handed to the connection.
    public mutating func sent(through index: LogIndex, at now: MonotonicTime) {
        guard !isEnded else { return }
        // The deadline for an acknowledgement runs from when there first is something to acknowledge.
        if received == sent { lastProgressAt = now }
        invariant(index >= sent, "sent index goes back from \(sent) to \(index)")
        sent = index
        checkInvariants()
    }

    /// Whether a heartbeat has to go out now; the next one is then due a second later.
    public mutating func takeHeartbeat(at now: MonotonicTime) -> Bool {
        guard !isEnded, now >= heartbeatAt else { return false }
        heartbeatAt = now + FeedMachine.heartbeatInterval
        return true
    }

    /// Whether to ask for an acknowledgement now that somebody waits for `index`; once for each.
    public mutating func takeAckWanted(_ index: LogIndex) -> Bool {
        guard !isEnded, index <= sent, index > acked, index > lastAckWanted else { return false }
        lastAckWanted = index
        return true
    }

    /// A report came. What it says beyond what was sent does not count: it is not of this link.
    ///
    /// `received` is where the stream has come to; `applied` what the state that serves holds of this
    /// history, nil while another one serves; `durable` what of it is synced.
    public mutating func acknowledge(
        received: LogIndex, applied: LogIndex?, durable: LogIndex, at now: MonotonicTime
    ) -> Action {
        guard !isEnded else { return .none }
        lastReportAt = now
        if isCatchingUp, applied != nil {
            lastProgressAt = now
            lastTakenAt = now
        }
        isCatchingUp = applied == nil
        let received = max(self.received, min(received, sent))
        if received > self.received || received == sent { lastProgressAt = now }
        self.received = received
        if let applied {
            acked = max(acked, min(applied, received))
            self.durable = max(self.durable, min(durable, acked))
        }
        checkInvariants()
        return tick(at: now)
    }

    /// Nothing beyond this index is sent any more; nil: all may be.
    public var sendMax: LogIndex? { finish?.through }

    /// The topology has ended the link with the entry at `index`; told again, nothing changes.
    public mutating func finish(through index: LogIndex, reason: String, at now: MonotonicTime) {
        guard !isEnded, finish == nil else { return }
        finish = Finish(
            through: max(index, sent), deadline: now + FeedMachine.finishMax, reason: reason)
    }

    /// Looks at the deadlines.
    public mutating func tick(at now: MonotonicTime) -> Action {
        guard !isEnded else { return .none }
        if let finish, now >= finish.deadline { return end(.told(finish.reason), at: now) }
        let (silence, lasting) = longestSilence(at: now)
        if lasting >= FeedMachine.totalMax {
            return end(.silence(silence), at: now)
        }
        let next: State = lasting >= FeedMachine.silenceMax ? .stalled(silence) : .streaming
        guard next != state else { return .none }
        state = next
        since = now
        return .publish
    }

    /// The link is over.
    public mutating func end(_ reason: EndReason, at now: MonotonicTime) -> Action {
        guard !isEnded else { return .none }
        state = .ended(reason)
        since = now
        return .abort
    }

    private func longestSilence(at now: MonotonicTime) -> (Silence, Duration) {
        var longest = (Silence.noReports, now - lastReportAt)
        if isCatchingUp { return longest }
        let due = max(lastTakenAt, heartbeatAt)
        if now - due > longest.1 { longest = (.connectionTakesNothing, now - due) }
        if received < sent, now - lastProgressAt > longest.1 {
            longest = (.noAcknowledgements, now - lastProgressAt)
        }
        return longest
    }
}
