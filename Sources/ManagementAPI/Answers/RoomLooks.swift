import Engine
import Platform

/// In which namespaces room is being made, who waits for it, and where it was looked last. Pure.
///
///     idle ──join──▶ running ──end──▶ idle, at once or after a rest
///                     join: waits for the same look
struct RoomLooks<Waiter: Sendable>: Sendable {
    private struct Look: Sendable {
        /// Nil: nobody looks now.
        var waiting: [Waiter]?
        var restsUntil: MonotonicTime?
        /// After which key the next look goes on.
        var next: [UInt8]?
    }

    enum Place {
        /// Whoever asked has to look, from after this key on, and to end it.
        case looks(after: [UInt8]?)
        case waits
        /// Not now.
        case none
    }

    private var looks: [NamespaceID: Look] = [:]

    /// After a look that has found nothing, however often a quota refuses a write.
    static var rest: Duration { .seconds(1) }
    /// Who waits for one look.
    static var waitingMax: Int { 256 }
    /// More namespaces than this are turned away: of each a key is kept.
    static var namespacesMax: Int { 256 }

    mutating func join(
        _ namespace: NamespaceID, _ waiter: Waiter, now: MonotonicTime
    ) -> Place {
        var look = looks[namespace] ?? Look()
        if let waiting = look.waiting {
            guard waiting.count < RoomLooks.waitingMax else { return .none }
            looks[namespace]?.waiting?.append(waiter)
            return .waits
        }
        if let rests = look.restsUntil, rests > now { return .none }
        if looks[namespace] == nil, looks.count >= RoomLooks.namespacesMax {
            looks = looks.filter { _, look in
                look.waiting != nil || look.restsUntil.map { $0 > now } ?? false
            }
            guard looks.count < RoomLooks.namespacesMax else { return .none }
        }
        look.waiting = [waiter]
        looks[namespace] = look
        return .looks(after: look.next)
    }

    /// - Returns: Who waits for it.
    mutating func end(
        _ namespace: NamespaceID, isMade: Bool, next: [UInt8]?, now: MonotonicTime
    ) -> [Waiter] {
        let waiting = looks[namespace]?.waiting ?? []
        looks[namespace] = Look(
            waiting: nil, restsUntil: isMade ? nil : now + RoomLooks.rest, next: next)
        return waiting
    }
}
