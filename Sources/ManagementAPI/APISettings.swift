public import Access

/// What the HTTP side of a node is started with.
public struct APISettings: Sendable {
    /// Hosts that a request may name besides loopback: those of `--http`, `--advertise` and
    /// `--allow-host`, without port.
    public var allowedHosts: [String] = []
    /// The port that this listener is asked at; only makes the usual `Host` quicker to check.
    public var port: UInt16
    /// Serve `/metrics` without a credential.
    public var opensMetrics = false
    /// Signs what nodes say to each other; nil trusts peers over loopback only.
    public var secret: ClusterSecrets?
    /// Let nodes beyond loopback ask without TLS.
    public var insecureLinks = false
    /// The status page's files by name: `index.html`, scripts and style.
    public var pageFiles: [String: [UInt8]] = [:]
    /// openapi/convoy.yaml as JSON.
    public var openAPIDocument: [UInt8] = []
    public var version: String

    public init(port: UInt16, version: String) {
        self.port = port
        self.version = version
    }
}
