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
        let stream = ExportStream(patience: .seconds(1))
        let isOver = Monitor(false)
        let client = WorkerThread(name: "client") {
            // Above the least rate, and far below what is made.
            for _ in 0..<80 {
                _ = taken(stream)
                _ = Monitor(()).wait(until: .now() + .milliseconds(20)) { _ -> Void? in nil }
            }
            isOver.update { $0 = true }
        }
        var offered = 0
        while stream.offer(piece) { offered += piece.count }
        #expect(isOver.withLock { $0 }, "it was given up while it took")
        #expect(client.join(until: .now() + .seconds(10)))
        #expect(offered <= ExportStream.bufferBytesMax + 82 * (32 << 10) + piece.count)
        guard case .abort = stream.read(max: 1) else {
            Issue.record("it looks complete")
            return
        }
    }

    @Test func `a client that leaves, and a right that ends, end the making`() {
        let left = ExportStream()
        left.closed()
        #expect(!left.offer(piece))
        let ended = ExportStream()
        let offers = WorkerThread(name: "maker") { while ended.offer(piece) {} }
        let watch = AdmissionWatch()
        ended.keep(watch.add({ .unauthorized("over") }, end: { _ in ended.breakOff() }))
        #expect(offers.join(until: .now() + .seconds(10)))
        guard case .abort = ended.read(max: 1) else {
            Issue.record("what was made before is still sent")
            return
        }
    }
}
