import Platform
import Testing

@testable import Node

@Suite struct TakeoverQueueTests {
    @Test func `a change that is tried again keeps its place in time`() {
        let queue = TakeoverQueue()
        // As if it came in an hour: nothing is late where this thread is stalled.
        let hour = Duration.seconds(3_600)
        let came = MonotonicTime.now() + hour
        let tries = Monitor<[MonotonicTime]>([])
        @Sendable func tryAgain(_ since: MonotonicTime) {
            let count = tries.update { tries in
                tries.append(since)
                return tries.count
            }
            // The reign was not there yet: it is on its way once more.
            if count == 1 { _ = queue.add(since: since) { tryAgain($0) } }
        }
        #expect(queue.add(since: came) { tryAgain($0) })
        #expect(queue.take(after: .seconds(1)).isEmpty, "its patience is not over")
        for change in queue.take(after: .zero - hour) { change() }
        for change in queue.take(after: .zero - hour) { change() }
        #expect(tries.withLock { $0 } == [came, came])
        #expect(queue.take(after: .zero - hour).isEmpty)
    }

    @Test func `a change that has waited long enough is not taken again`() {
        let queue = TakeoverQueue()
        let old = MonotonicTime.now() + (.zero - TakeoverQueue.patience)
        #expect(!queue.add(since: old) { _ in })
    }
}
