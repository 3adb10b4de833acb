import CCurl

extension FetchError {
    /// The one place where curl's verdict becomes an error of ours.
    ///
    /// - Parameters:
    ///   - code: Anything but `CURLE_OK`.
    ///   - text: What curl says about it.
    ///   - isConnected: Whether the request had begun to go out.
    init(_ code: CURLcode, text: String, isConnected: Bool) {
        self =
            switch code {
            case CURLE_URL_MALFORMAT, CURLE_LOGIN_DENIED:
                .invalidURL(text)
            case CURLE_UNSUPPORTED_PROTOCOL where !isConnected:  // Later it means: not HTTP/1.
                .invalidURL(text)
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED:
                .connectFailed(text)
            case CURLE_OPERATION_TIMEDOUT:  // The only timer that curl is given.
                .timedOut(.connect)
            case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
                CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR,
                CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_ENGINE_NOTFOUND,
                CURLE_SSL_ENGINE_SETFAILED, CURLE_USE_SSL_FAILED:
                .tls(text)
            default:
                .broken(text)
            }
    }
}
