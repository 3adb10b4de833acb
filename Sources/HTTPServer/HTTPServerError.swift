/// Why a listener did not start.
public enum HTTPServerError: Error, Equatable {
    /// Neither an IPv4 or IPv6 literal nor `localhost`. Correct the setting.
    case invalidAddress(String)
    /// Another process listens there. Choose another port, or end that process.
    case addressInUse(address: String, port: UInt16)
    /// The system refused the address or the port.
    case cannotListen(address: String, port: UInt16, detail: String)
    /// libmicrohttpd refused to start: out of threads or file descriptors, or a bad certificate.
    case cannotStart
}
