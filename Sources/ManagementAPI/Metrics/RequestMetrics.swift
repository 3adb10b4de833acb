import HTTPServer
import Node
import Synchronization

extension MetricsText {
    /// What is asked of this node, and what waits here. Routes are those of the contract, as written
    /// there: what a client puts into a path is no label.
    mutating func addRequests(_ api: ManagementAPI) {
        var cells = RouteTable.routes.map {
            (method: $0.method.name, route: $0.template.text, now: api.counters[$0.number].now)
        }
        if let other = api.counters.last { cells.append(("", "none", other.now)) }
        cells.removeAll { $0.now.total == 0 }
        family(
            "convoy_http_requests_total", "counter", "Answers by route and class of status.",
            cells.flatMap { cell in
                cell.now.byClass.enumerated().filter { $0.element.answers > 0 }.map {
                    (
                        labels: [
                            ("method", cell.method), ("route", cell.route),
                            ("status", "\($0.offset + 1)xx"),
                        ], value: Double($0.element.answers)
                    )
                }
            })
        let name = "convoy_http_request_duration_seconds"
        begin(
            name, "histogram",
            "From the whole request to its answer, time that it was asked to wait included.")
        for cell in cells {
            for (place, of) in cell.now.byClass.enumerated() where of.answers > 0 {
                addHistogram(
                    name,
                    [
                        ("method", cell.method), ("route", cell.route),
                        ("status", "\(place + 1)xx"),
                    ], of)
            }
        }
        gauge(
            "convoy_http_requests_in_flight", "Requests that are not answered yet.",
            Double(api.requestsInFlight))
        counter(
            "convoy_requests_limited_total",
            "Requests turned away by the limit of their namespace.",
            api.requestsLimited.load(ordering: .relaxed))
        gauge("convoy_waits", "Requests that wait for something.", Double(api.node.waits.count))
        gauge("convoy_waits_limit", "So many can.", Double(WaitHub.waitersMax))
        gauge("convoy_event_streams", "Event streams that are open.", Double(api.streams.count))
        gauge("convoy_event_streams_limit", "So many can.", Double(EventStreams.streamsMax))
        gauge(
            "convoy_commits_waiting", "Changes that wait to be decided here; the primary's alone.",
            api.node.commitsWaiting.map { Double($0) })
        let events = api.node.events.published
        family(
            "convoy_events_total", "counter", "Events told, by kind.",
            Event.Kind.allCases.map { ([("kind", $0.rawValue)], Double(events[$0] ?? 0)) })
    }

    private mutating func addHistogram(
        _ name: String, _ labels: Labels, _ cell: RouteCounters.OfClass
    ) {
        var sum: UInt64 = 0
        for (bound, count) in zip(RouteCounters.bounds, cell.byDuration) {
            sum += count
            add(name + "_bucket", labels + [("le", "\(bound)")], Double(sum))
        }
        sum += cell.byDuration.last ?? 0
        add(name + "_bucket", labels + [("le", "+Inf")], Double(sum))
        add(name + "_sum", labels, cell.seconds)
        add(name + "_count", labels, Double(sum))
    }
}
