import CCurl
import Platform

/// The multi handle, which keeps the connection, and the easy handle, which makes one request.
///
/// Not thread-safe but for ``wakeUp()``.
final class CurlHandles {
    /// How much curl reads at once. What is left of it at a pause is copied, so it is not larger.
    static let bufferBytes = 64 << 10

    let multi: UnsafeMutableRawPointer
    let easy: UnsafeMutableRawPointer
    /// curl writes its last error's text here; it belongs to the easy handle's options.
    private let errorText: UnsafeMutablePointer<CChar>
    private var running: Running?

    /// What curl has pointers to while a transfer runs.
    private struct Running {
        let answer: RecordedAnswer
        let headers: UnsafeMutablePointer<curl_slist>?
    }

    private static let globalInit: Void = {
        let code = curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        invariant(code == CURLE_OK, "curl_global_init: error \(code.rawValue)")
    }()

    init() {
        _ = Self.globalInit
        guard let multi = curl_multi_init(), let easy = curl_easy_init() else {
            fatalError("curl cannot make a handle: out of memory")
        }
        self.multi = multi
        self.easy = easy
        self.errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
    }

    deinit {
        invariant(running == nil, "a curl handle ends while its transfer runs")
        curl_easy_cleanup(easy)
        curl_multi_cleanup(multi)
        errorText.deallocate()
    }

    /// Begins a transfer. `body` must stay where it is until ``end()``.
    func begin(
        _ request: FetchRequest, userAgent: String, body: UnsafeRawBufferPointer?,
        into answer: RecordedAnswer
    ) {
        invariant(running == nil, "a curl handle makes one transfer at a time")
        let headers = request.makeHeaderList()
        running = Running(answer: answer, headers: headers)
        errorText[0] = 0

        CurlOptions(easy: easy).apply(request, userAgent: userAgent)
        CurlOptions(easy: easy).apply(body: body, method: request.method)
        CurlOptions(easy: easy).apply(headers: headers, errorText: errorText, answer: answer)
        check(curl_multi_add_handle(multi, easy))
    }

    /// Ends a transfer, finished or not. One that is not loses its connection.
    func end() {
        check(curl_multi_remove_handle(multi, easy))
        if let running { curl_slist_free_all(running.headers) }
        running = nil
    }

    /// Does what can be done without waiting; answers curl's verdict when the transfer is over.
    ///
    /// With `resuming`, a transfer that a callback has paused goes on.
    func perform(resuming: Bool) -> CURLcode? {
        if resuming {
            let code = curl_easy_pause(easy, CURLPAUSE_CONT)
            guard code == CURLE_OK else { return code }
        }
        var runningCount: Int32 = 0
        check(curl_multi_perform(multi, &runningCount))
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(multi, &remaining) {
            if message.pointee.msg == CURLMSG_DONE { return message.pointee.data.result }
        }
        return nil
    }

    /// Blocks until the socket is ready, a timer of curl is due, `wakeUp` is called, or time is up.
    func poll(milliseconds: Int32) {
        check(curl_multi_poll(multi, nil, 0, milliseconds, nil))
    }

    /// From any thread: makes the current or the next ``poll(milliseconds:)`` return at once.
    func wakeUp() { check(curl_multi_wakeup(multi)) }

    /// Bytes of the request's body that the kernel has taken.
    var bytesSent: Int64 {
        var count: curl_off_t = 0
        _ = shim_get_offset(easy, CURLINFO_SIZE_UPLOAD_T, &count)  // Cannot fail: it is a counter.
        return Int64(count)
    }

    /// What went wrong, in words.
    func text(for code: CURLcode) -> String {
        if errorText[0] != 0 { return String(cString: errorText) }
        return String(cString: curl_easy_strerror(code))
    }

    private func check(_ code: CURLMcode) {
        invariant(code == CURLM_OK, "curl: \(String(cString: curl_multi_strerror(code)))")
    }
}

extension FetchRequest {
    /// The caller frees the list.
    fileprivate func makeHeaderList() -> UnsafeMutablePointer<curl_slist>? {
        var list: UnsafeMutablePointer<curl_slist>?
        func append(_ line: String) {
            guard let longer = curl_slist_append(list, line) else { fatalError("out of memory") }
            list = longer
        }
        // A semicolon is how curl is told of an empty value; a bare colon would remove the header.
        for (name, value) in headers { append(value.isEmpty ? "\(name);" : "\(name): \(value)") }

        // curl would call every body a submitted HTML form.
        if !headers.contains(where: { $0.0.lowercased() == "content-type" }) {
            append("Content-Type:")
        }
        return list
    }
}
