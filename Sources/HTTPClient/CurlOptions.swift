import CCurl
import Platform

/// Sets every option that this client relies on; each transfer starts from curl's defaults.
struct CurlOptions {
    let easy: UnsafeMutableRawPointer

    func apply(_ request: FetchRequest, userAgent: String) {
        curl_easy_reset(easy)
        set(CURLOPT_URL, request.url)
        set(CURLOPT_USERAGENT, userAgent)
        set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(request.deadlines.connect.wholeMilliseconds)))
        set(CURLOPT_BUFFERSIZE, CurlHandles.bufferBytes)

        // Only what the URL says: no other scheme, no redirect, nothing from environment or home.
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PROXY, "")
        set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))

        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_QUICK_EXIT, 1)  // Do not wait for a name lookup that nobody needs any more.
        apply(request.trust)
    }

    /// - Parameters:
    ///   - body: Must outlive the transfer.
    ///   - method: As it goes out.
    func apply(body: UnsafeRawBufferPointer?, method: String) {
        set(CURLOPT_CUSTOMREQUEST, method)
        if method == "HEAD" { set(CURLOPT_NOBODY, 1) }
        guard let body else { return }

        set(CURLOPT_POST, 1)
        // With a null pointer curl would ask a read callback for the body.
        let start = body.baseAddress ?? UnsafeRawPointer(easy)
        check(shim_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count)))
        check(shim_set_pointer(easy, CURLOPT_POSTFIELDS, start))
        set(CURLOPT_CUSTOMREQUEST, method)
    }

    /// All of them must outlive the transfer.
    func apply(
        headers: UnsafeMutablePointer<curl_slist>?, errorText: UnsafeMutablePointer<CChar>,
        answer: RecordedAnswer
    ) {
        check(shim_set_list(easy, CURLOPT_HTTPHEADER, headers))
        check(shim_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText))

        let context = Unmanaged.passUnretained(answer).toOpaque()
        check(shim_set_prerequest(easy, RecordedAnswer.onConnected))
        check(shim_set_pointer(easy, CURLOPT_PREREQDATA, context))
        check(shim_set_receiver(easy, CURLOPT_HEADERFUNCTION, RecordedAnswer.onHeadLine))
        check(shim_set_pointer(easy, CURLOPT_HEADERDATA, context))
        check(shim_set_receiver(easy, CURLOPT_WRITEFUNCTION, RecordedAnswer.onBody))
        check(shim_set_pointer(easy, CURLOPT_WRITEDATA, context))
    }

    private func apply(_ trust: TLSTrust) {
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))  // Or later.
        switch trust {
        case .system:
            break
        case .authorities(let file):
            set(CURLOPT_CAINFO, file)
        case .anyone:
            set(CURLOPT_SSL_VERIFYPEER, 0)
            set(CURLOPT_SSL_VERIFYHOST, 0)
        }
    }

    private func set(_ option: CURLoption, _ value: Int) {
        check(shim_set_long(easy, option, value))
    }

    private func set(_ option: CURLoption, _ value: String) {
        check(shim_set_string(easy, option, value))
    }

    /// An option that is not taken means another libcurl than the one this was written for.
    private func check(_ code: CURLcode) {
        invariant(code == CURLE_OK, "curl option: \(String(cString: curl_easy_strerror(code)))")
    }
}
