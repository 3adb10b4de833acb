import ArgumentParser
import Log
import Topology

/// The flags of `convoy serve`. What is not given comes from the environment, then from a default.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a node.",
        discussion: """
            A fresh data directory becomes a cluster of one node, unless --join names a cluster to ask.
            Each option can also be given in the environment: --log-retention-bytes as
            CONVOY_LOG_RETENTION_BYTES. Ctrl-C and SIGTERM stop the node in order.

            Until the first admin token exists, a node serves loopback addresses only, and whoever is on \
            its machine may do everything. See convoy token create.
            """)

    @Option(
        help: """
            The node's name: a-z, 0-9, '.', '_', '-'. Kept in the data directory. (default: \
            n1)
            """)
    var name: String?

    @Option(help: "Where the node keeps its data; made when missing. (default: convoy-data)")
    var data: String?

    @Option(
        help: """
            Address and port to serve HTTP on; port 0 takes a free one. (default: \
            127.0.0.1:7070)
            """)
    var http: String?

    @Option(
        help: """
            The URL under which others reach this node. (default: http:// and the --http \
            address)
            """)
    var advertise: String?

    @Option(help: "URL of a node of a cluster that shall take this node in.")
    var join: String?

    @Option(
        help: """
            When an answered write is on disk: always (before the answer), interval (within a second), \
            os (when the system likes). (default: interval)
            """)
    var sync: String?

    @Option(
        help: """
            A second address for the health resources, which no load on the first can reach.
            """)
    var health: String?

    @Option(
        help: """
            A further host name that requests may be addressed to. Repeatable; in the \
            environment, separated by commas.
            """)
    var allowHost: [String] = []

    @Option(
        help: """
            A file with the secret that all nodes of the cluster share, at least 16 \
            characters.
            """)
    var clusterSecretFile: String?

    @Option(
        help: """
            A PEM file with the certificate, and those between it and its authority: serves HTTPS, \
            TLS 1.2 or later. Read again at SIGHUP.
            """)
    var tlsCertificateFile: String?

    @Option(help: "A PEM file with the certificate's private key. Read again at SIGHUP.")
    var tlsKeyFile: String?

    @Option(
        help: """
            A PEM file with the authorities that certificates of other nodes must come from. \
            (default: those of the system)
            """)
    var linksCaFile: String?

    @Option(help: "Keep at least so many bytes of the log. (default: 1 GiB)")
    var logRetentionBytes: UInt64?

    @Option(
        help: """
            Keep at most so many bytes of the log for replicas that are behind. (default: 8 \
            GiB)
            """)
    var logRetentionMaxBytes: UInt64?

    @Option(
        help: """
            The size of the log's files; smaller ones let retention be finer. (default: 64 \
            MiB)
            """)
    var logSegmentBytes: UInt64?

    @Option(help: "A replica further behind than this is not in sync. (default: 1000)")
    var inSyncLagMs: UInt64?

    @Option(help: "Refuse writes when the disk has fewer bytes left. (default: 256 MiB)")
    var diskReserveBytes: UInt64?

    @Option(
        help: """
            Most bytes per second of a full sync that this node receives. (default: no \
            limit)
            """)
    var fullSyncMaxBytesPerSecond: UInt64?

    @Option(help: "Bytes of memory for cached data. (default: 128 MiB)")
    var blockCacheBytes: UInt64?

    @Option(
        help: """
            How long a former primary waits for silent peers after a power cut. (default: \
            10000)
            """)
    var recoverTimeoutMs: UInt64?

    @Option(
        help: """
            What a primary does with writes while it has heard no configured replica for 3 s: serve, or \
            refuse (503 isolated), since another node may reign. (default: serve)
            """)
    var isolatedWrites: String?

    @Flag(help: "Talk to nodes beyond loopback without TLS, on a network that is trusted.")
    var insecureLinks = false

    @Flag(help: "Serve /metrics without a credential, also once tokens exist.")
    var openMetrics = false

    func run() throws {
        try Server(try Settings(self)).run()
    }
}
