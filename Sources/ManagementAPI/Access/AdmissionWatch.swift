import Engine
import HTTPServer
import Node
import Platform

/// Ends what goes on for long on behalf of a caller, waits and streams, as soon as the caller would
/// not be let in any more: the token was revoked, replaced or has expired, its namespace is gone, or
/// a token is needed by now.
///
/// One thread looks at all of them while there are any; it ends with the last.
final class AdmissionWatch: Sendable {
    private let table = Monitor(Table())

    /// How long a right that ended may still be used at most, by what began before.
    private static let beat: Duration = .milliseconds(50)

    private struct Table {
        var watched: [UInt64: Watched] = [:]
        var next: UInt64 = 0
        var isRunning = false
    }

    private struct Watched: Sendable {
        let refusal: @Sendable () -> Problem?
        let end: @Sendable (Problem) -> Void
    }

    /// One thing that is watched.
    struct Ticket: Sendable {
        fileprivate let number: UInt64
        fileprivate let watch: AdmissionWatch

        /// It is over: there is nothing left to end.
        ///
        /// - Returns: False when the watch has ended it already.
        @discardableResult
        func cancel() -> Bool { watch.cancel(number) }

        /// Whether the watch has ended it, or it was cancelled.
        var isOver: Bool { watch.table.withLock { $0.watched[number] == nil } }
    }

    /// Calls `end` once when `refusal` has an answer, on a thread that must not be held up; not when
    /// the ticket was cancelled first.
    func add(
        _ refusal: @escaping @Sendable () -> Problem?, end: @escaping @Sendable (Problem) -> Void
    ) -> Ticket {
        let (number, isFirst) = table.withLock { table -> (UInt64, Bool) in
            table.next += 1
            table.watched[table.next] = Watched(refusal: refusal, end: end)
            defer { table.isRunning = true }
            return (table.next, !table.isRunning)
        }
        if isFirst { _ = WorkerThread(name: "admissions") { [self] in run() } }
        return Ticket(number: number, watch: self)
    }

    private func cancel(_ number: UInt64) -> Bool {
        table.withLock { $0.watched.removeValue(forKey: number) != nil }
    }

    private func run() {
        while let watched = next() {
            for (number, item) in watched {
                guard let problem = item.refusal() else { continue }
                let isMine = table.withLock { $0.watched.removeValue(forKey: number) != nil }
                if isMine { item.end(problem) }
            }
        }
    }

    /// Waits for the beat; nil when nothing is left to watch.
    private func next() -> [UInt64: Watched]? {
        _ = Monitor(()).wait(until: .now() + AdmissionWatch.beat) { _ -> Void? in nil }
        return table.withLock { table in
            if table.watched.isEmpty { table.isRunning = false }
            return table.isRunning ? table.watched : nil
        }
    }
}

extension Call {
    /// Calls `end` once, with what the caller would be refused with now, when its right ends before
    /// the ticket is cancelled. For whatever outlives the request's own admission.
    func watchAdmission(end: @escaping @Sendable (Problem) -> Void) -> AdmissionWatch.Ticket {
        api.admissions.add(admissionRefusal, end: end)
    }

    /// Answers what the caller would be refused with at the time of the call.
    var admissionRefusal: @Sendable () -> Problem? {
        let scope = api.scope(of: route)
        let asked = parameters.first { $0.name == "ns" }?.value
        return { [api, head, own = caller.namespace] in
            // Renamed, it is still the caller's.
            let catalog = api.node.engine?.state.catalog
            let current = own.flatMap { catalog?.namespaces[$0]?.record.name.rawValue }
            do throws(Problem) {
                _ = try api.gate().admit(head, to: scope, namespace: asked.map { current ?? $0 })
                return nil
            } catch {
                return error
            }
        }
    }
}
