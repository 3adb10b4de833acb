/// Why a listener did not start.
public enum HTTPServerError: Error, Equatable, CustomStringConvertible {
    /// Neither an IPv4 or IPv6 literal nor `localhost`. Correct the setting.
    case invalidAddress(String)
    /// Another process listens there. Choose another port, or end that process.
    case addressInUse(address: String, port: UInt16)
    /// The system refused the address or the port.
    case cannotListen(address: String, port: UInt16, detail: String)
    /// libmicrohttpd refused to start: out of threads or file descriptors, or a bad certificate.
    case cannotStart

    public var description: String {
        switch self {
        case .invalidAddress(let address):
            "\(address) is no address to listen on: give an IPv4 or IPv6 literal, or localhost"
        case .addressInUse(let address, let port):
            "port \(port) of \(address) is taken by another process: stop it, or give another --http"
        case .cannotListen(let address, let port, let detail):
            "cannot listen on port \(port) of \(address): \(detail)"
        case .cannotStart:
            "the HTTP server cannot start: out of threads or file descriptors, or a bad certificate"
        }
    }
}
