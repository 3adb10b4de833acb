import CCurl
import Platform

/// What curl's callbacks have seen since the fetcher last looked.
///
/// The callbacks only record; the fetcher's loop decides and calls its caller, so whatever a caller
/// does in a closure cannot re-enter curl.
final class RecordedAnswer {
    /// The connection stands and the request is about to go out.
    private(set) var isConnected = false
    private(set) var head = HeadReader()
    private(set) var refusal: HeadReader.Refusal?
    /// Of the body, or of a part of it.
    private var received: [UInt8] = []
    /// Anything received since the last ``beginRound(bytesMax:)``.
    private(set) var isActive = false

    /// Body bytes after which curl is told to pause, in this round.
    private var bytesMax = 0
    private(set) var isPaused = false

    var bytesReceived: Int { received.count }

    func beginRound(bytesMax: Int) {
        isActive = false
        isPaused = false
        self.bytesMax = bytesMax
    }

    /// Lets `body` see the received bytes, then forgets them. Reuses their memory unless it was kept.
    func drain<Result>(_ body: ([UInt8]) -> Result) -> Result? {
        guard !received.isEmpty else { return nil }
        defer { received.removeAll(keepingCapacity: true) }
        return body(received)
    }

    fileprivate func connected() {
        isConnected = true
        isActive = true
    }

    fileprivate func receive(headLine line: UnsafeRawBufferPointer) -> Bool {
        isActive = true
        do throws(HeadReader.Refusal) {
            try head.read(line: line)
            return true
        } catch {
            refusal = error
            return false
        }
    }

    /// Answers false, having taken nothing, if it is enough for this round.
    ///
    /// Without this curl would read up to a hundred buffers in one go, as fast as they come.
    fileprivate func receive(body bytes: UnsafeRawBufferPointer) -> Bool {
        isActive = true
        isPaused = !received.isEmpty && received.count >= bytesMax
        if !isPaused { received.append(contentsOf: bytes) }
        return !isPaused
    }
}

/// Trampolines. The context is a `RecordedAnswer`, unretained: `CurlHandles` keeps it while curl may
/// call.
extension RecordedAnswer {
    private static func at(_ context: UnsafeMutableRawPointer) -> RecordedAnswer {
        Unmanaged<RecordedAnswer>.fromOpaque(context).takeUnretainedValue()
    }

    static let onConnected: curl_prereq_callback = { context, _, _, _, _ in
        guard let context else { return CURL_PREREQFUNC_ABORT }
        RecordedAnswer.at(context).connected()
        return CURL_PREREQFUNC_OK
    }

    static let onHeadLine: curl_write_callback = { start, size, count, context in
        guard let context else { return 0 }
        let line = UnsafeRawBufferPointer(start: start, count: size * count)
        return RecordedAnswer.at(context).receive(headLine: line) ? line.count : 0
    }

    static let onBody: curl_write_callback = { start, size, count, context in
        guard let context else { return 0 }
        let bytes = UnsafeRawBufferPointer(start: start, count: size * count)
        let isTaken = RecordedAnswer.at(context).receive(body: bytes)
        return isTaken ? bytes.count : Int(CURL_WRITEFUNC_PAUSE)
    }
}
