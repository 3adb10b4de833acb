import Platform
import Testing

@Suite struct MonitorTests {
    @Test func `a wait ends at its deadline, not before`() {
        let monitor = Monitor(0)
        let start = MonotonicTime.now()
        let result: Int? = monitor.wait(until: start + .milliseconds(50)) { _ in nil }
        let elapsed = MonotonicTime.now() - start
        #expect(result == nil)
        #expect(elapsed >= .milliseconds(50) && elapsed < .seconds(60))
    }

    @Test func `a deadline in the past still looks once`() {
        let monitor = Monitor(7)
        #expect(monitor.wait(until: MonotonicTime(nanoseconds: 0)) { $0 == 7 ? $0 : nil } == 7)
    }

    @Test func `an update wakes every waiter, and nothing is lost`() {
        let monitor = Monitor(0)
        let deadline = MonotonicTime.now() + .seconds(30)
        let seen = Monitor(0)
        let waiters = (0..<8).map { number in
            WorkerThread(name: "waiter-\(number)") {
                let value = monitor.wait(until: deadline) { $0 == 400 ? $0 : nil }
                if value == 400 { seen.update { $0 += 1 } }
            }
        }
        let writers = (0..<4).map { number in
            WorkerThread(name: "writer-\(number)") {
                for _ in 0..<100 { monitor.update { $0 += 1 } }
            }
        }
        for thread in waiters + writers { #expect(thread.join(until: deadline)) }
        #expect(seen.withLock { $0 } == 8)
    }

    @Test func `a thread knows that it runs on itself`() {
        let place = Monitor<WorkerThread?>(nil)
        let answer = Monitor<Bool?>(nil)
        let deadline = MonotonicTime.now() + .seconds(30)
        let thread = WorkerThread(name: "self") {
            let own = place.wait(until: deadline) { $0 }
            answer.update { $0 = own?.isCurrent }
        }
        place.update { $0 = thread }
        #expect(answer.wait(until: deadline) { $0 } == true)
        #expect(!thread.isCurrent)
        #expect(thread.join(until: deadline))
    }
}
