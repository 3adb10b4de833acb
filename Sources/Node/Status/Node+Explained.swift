import Log
import Platform
import Topology

extension Node {
    /// The report with why its node is not in sync, where it is to be.
    public func explained(_ report: NodeReport) -> NodeReport { explained([report])[0] }

    /// The same of several; in their order.
    public func explained(_ reports: [NodeReport]) -> [NodeReport] {
        guard let document = state.document else { return reports }
        let name = document.label(of: document.primary)
        let primary = document.node(numbered: document.primary).map { record in
            record.number == state.facts.number ? report() : report(of: record, in: document)
        }
        let reigning = primary.flatMap { $0.running?.role == .primary ? $0 : nil }
        let rule = InSyncRule(
            primaryCatalog: reigning?.catalog, generation: document.generation,
            lagMax: options.inSyncLag)
        return reports.map { report in
            guard let record = NodeName(report.name).flatMap({ document.node(named: $0) }),
                case .replica = document.role(of: record.number)
            else { return report }
            var report = report
            if reigning == nil {
                report.lacks = [
                    .init(code: "no-primary", detail: "\(name) does not reign, or not here")
                ]
            } else {
                report.lacks = rule.holds(for: report) ? [] : rule.reasons(against: report)
            }
            return report
        }
    }
}

extension InSyncRule {
    /// Why it does not hold for a replica; never empty.
    func reasons(against replica: NodeReport) -> [NodeReport.Veto] {
        guard let running = replica.running else {
            return [.init(code: "unreachable", detail: "the node does not answer")]
        }
        var reasons: [NodeReport.Veto] = []
        if running.state != .streaming {
            let error = replica.lastError.map { "; last: \($0.text)" } ?? ""
            reasons.append(
                .init(
                    code: "not-streaming",
                    detail: "its link is \(running.state?.rawValue ?? "undecided")\(error)"))
        }
        if let known = running.generation, known < generation {
            reasons.append(
                .init(
                    code: "generation-behind",
                    detail: "it knows generation \(known), and \(generation) is the newest"))
        }
        if let lag = replica.lag, let seconds = lag.seconds {
            if seconds >= lagMax.inSeconds {
                reasons.append(
                    .init(code: "lagging", detail: "\(lag.entries) entries behind, \(seconds) s"))
            }
        } else {
            reasons.append(.init(code: "lag-unknown", detail: "how far it is behind is not known"))
        }
        if replica.hasAlarm(.catalogDiffers) {
            reasons.append(.catalogDiffers)
        } else if replica.catalog?.index != primaryCatalog?.index {
            reasons.append(
                .init(
                    code: "catalog-behind",
                    detail:
                        "its catalog is as of entry \(replica.catalog.map { "\($0.index)" } ?? "unknown"), the primary's as of \(primaryCatalog.map { "\($0.index)" } ?? "unknown")"
                ))
        } else if replica.catalog?.digest != primaryCatalog?.digest {
            reasons.append(.catalogDiffers)
        }
        return reasons.isEmpty
            ? [.init(code: "unknown", detail: "too little is known of it")] : reasons
    }
}
