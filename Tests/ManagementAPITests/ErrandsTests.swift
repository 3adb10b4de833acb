import Platform
import Testing

@testable import ManagementAPI

@Suite struct ErrandsTests {
    @Test func `more than threads and waiting places is refused, and all that was taken is done`() {
        let errands = Errands("test", threadsMax: 2, waitingMax: 3)
        let gate = Monitor(false)
        let done = Monitor(0)
        let taken = (0..<10).count { _ in
            errands.run {
                _ = gate.wait(until: .now() + .seconds(60)) { $0 ? true : nil }
                done.update { $0 += 1 }
            }
        }
        #expect(taken == 5)
        gate.update { $0 = true }
        #expect(done.wait(until: .now() + .seconds(60)) { $0 == 5 ? true : nil } == true)
        #expect(errands.run { done.update { $0 += 1 } })
        #expect(done.wait(until: .now() + .seconds(60)) { $0 == 6 ? true : nil } == true)
    }
}

@Suite struct HeldConditionsTests {
    @Test func `a condition has held since it was first seen to, and begins anew after a break`() {
        let held = HeldConditions()
        let past = MonotonicTime.now() + .seconds(-60)
        #expect((held.note("a", holds: true, earliest: past) ?? .zero) >= .seconds(60))
        #expect(held.note("a", holds: false, earliest: past) == nil)
        let fresh = held.note("b", holds: true, earliest: nil)
        #expect((fresh ?? .seconds(9)) < .seconds(5))
    }

    @Test func `it cannot have held for longer than the node has been in its state`() {
        let held = HeldConditions()
        _ = held.note("a", holds: true, earliest: .now() + .seconds(-60))
        let later = held.note("a", holds: true, earliest: .now() + .seconds(-1))
        #expect((later ?? .seconds(99)) < .seconds(30))
    }
}

@Suite struct MetricsTextTests {
    @Test func `metrics are written as Prometheus reads them`() {
        var text = MetricsText()
        text.gauge("a_bytes", "What it is.", 3, [("name", "say \"hi\"\\\n")])
        text.gauge("unknown", "Not there.", nil)
        text.counter("b_total", "Counted.", 7)
        text.add("c_seconds", [], 0.25)
        let expected = """
            # HELP a_bytes What it is.
            # TYPE a_bytes gauge
            a_bytes{name="say \\"hi\\"\\\\\\n"} 3
            # HELP b_total Counted.
            # TYPE b_total counter
            b_total 7
            c_seconds 0.25

            """
        #expect(String(decoding: text.bytes, as: UTF8.self) == expected)
    }
}

@Suite struct RouteCountersTests {
    @Test func `answers are counted by class and duration`() {
        let counters = RouteCounters()
        counters.count(status: 200, duration: .milliseconds(2))
        counters.count(status: 404, duration: nil)
        counters.count(status: 503, duration: .seconds(100))
        let now = counters.now
        #expect(now.byClass.map(\.answers) == [0, 1, 0, 1, 1])
        #expect(now.total == 3)
        let durations = (0..<RouteCounters.bounds.count + 1).map { bucket in
            now.byClass.reduce(0) { $0 + $1.byDuration[bucket] }
        }
        #expect(durations.reduce(0, +) == 2)
        #expect(durations[1] == 1)
        #expect(durations.last == 1)
    }
}
