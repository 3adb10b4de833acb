import HTTPServer
import Platform
import Testing

@testable import ManagementAPI

/// An export between the thread that makes it and the connection that takes it.
@Suite struct ExportStreamTests {
    private let piece = [UInt8](repeating: 7, count: 256 << 10)

    private func taken(_ stream: ExportStream, max: Int = 32 << 10) -> Int? {
        guard case .bytes(let bytes) = stream.read(max: max) else { return nil }
        return bytes.count
    }

    @Test func `what is made is taken in order, to its end`() {
        let stream = ExportStream()
        #expect(stream.offer([1, 2, 3]))
        #expect(stream.offer([4]))
        guard case .bytes(let first) = stream.read(max: 3),
            case .bytes(let second) = stream.read(max: 3),
            case .wait = stream.read(max: 3)
        else {
            Issue.record("not what was made")
            return
        }
        #expect(first == [1, 2, 3] && second == [4])
        stream.finish()
        guard case .end = stream.read(max: 3) else {
            Issue.record("no end")
            return
        }
    }

    @Test func `a maker waits for a client that is slow, and gives one up that takes nothing`() {
        // A client whose thread is stalled is given up while it takes, and rightly so: once more.
        for _ in 0..<20 {
            let stream = ExportStream(patience: .seconds(1))
            let began = MonotonicTime.now()
            let state = Monitor((isOver: false, longestTurn: Duration.zero))
            let client = WorkerThread(name: "client") {
                var last = began
                // Above the least rate, and far below what is made.
                for turn in 1...80 {
                    _ = taken(stream)
                    _ = Monitor(()).wait(until: .now() + .milliseconds(20)) { _ -> Void? in nil }
                    if turn == 80 { state.update { $0.isOver = true } }
                    let now = MonotonicTime.now()
                    state.update { $0.longestTurn = max($0.longestTurn, now - last) }
                    last = now
                }
            }
            var offered = 0
            while stream.offer(piece) { offered += piece.count }
            let wasOver = state.withLock { $0.isOver }
            #expect(client.join(until: .now() + .seconds(60)))
            #expect(offered <= ExportStream.bufferBytesMax + 82 * (32 << 10) + piece.count)
            guard case .abort = stream.read(max: 1) else {
                Issue.record("it looks complete")
                return
            }
            let wasStalled = state.withLock { $0.longestTurn } > .milliseconds(200)
            if !wasOver, wasStalled { continue }
            #expect(wasOver, "it was given up while it took")
            return
        }
        Issue.record("the client was stalled each time")
    }

    @Test func `a client that leaves, and a right that ends, end the making`() {
        let left = ExportStream()
        left.closed()
        #expect(!left.offer(piece))
        let ended = ExportStream(patience: .seconds(600))
        let offers = WorkerThread(name: "maker") { while ended.offer(piece) {} }
        let watch = AdmissionWatch()
        ended.keep(watch.add({ .unauthorized("over") }, end: { _ in ended.breakOff() }))
        #expect(offers.join(until: .now() + .seconds(60)))
        guard case .abort = ended.read(max: 1) else {
            Issue.record("what was made before is still sent")
            return
        }
    }
}
