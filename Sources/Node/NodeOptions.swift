public import Access
public import Engine
import Log
import Platform
public import Topology

/// Everything that a node is started with. Defaults are those of `convoy serve`.
public struct NodeOptions: Sendable {
    /// Where the node keeps everything; made when missing.
    public var dataPath: String
    /// Nil takes the name that the directory already has, or `n1`.
    public var name: NodeName?
    /// Where other nodes and clients reach this one.
    public var address: NodeAddress
    /// A node of the cluster to ask for being taken in; such a node founds no cluster of its own.
    public var join: NodeAddress?
    public var secret: ClusterSecrets?
    /// A PEM file with the authorities that are believed on links with TLS; nil believes the system's.
    public var linkAuthoritiesFile: String?
    /// Talk to nodes beyond loopback without TLS.
    public var insecureLinks = false
    public var engine = EngineOptions()
    /// Keep at least so much of the log, for replicas that were away.
    public var logRetentionBytes: UInt64 = 1 << 30
    /// Keep at most so much, even when a configured replica still needs it.
    public var logRetentionBytesMax: UInt64 = 8 << 30
    /// A replica that is further behind is not in sync.
    public var inSyncLag: Duration = .milliseconds(1000)
    /// Writes that need space are refused when the disk has less left than this.
    public var diskReserveBytes: UInt64 = 256 << 20
    /// What a primary does with writes while it hears no configured replica.
    public var isolatedWrites = IsolatedWrites.serve
    /// How long a former primary waits for peers that do not answer, when its machine has rebooted.
    public var recoverTimeout: Duration = .seconds(10)
    /// Bytes per second of a full sync; nil is as fast as it goes. What the API has set stands above.
    public var fullSyncBytesPerSecondMax: UInt64?
    /// What such a limit may be: a number that every reader of JSON has exactly.
    public static let fullSyncRates: ClosedRange<UInt64> = 1...((1 << 53) - 1)
    /// One line for an event: a constant message and what belongs to it.
    public var log: @Sendable (LogLevel, String, [String: String]) -> Void = { _, _, _ in }

    /// The raw values are those of `--isolated-writes`.
    public enum IsolatedWrites: String, Sendable { case serve, refuse }

    public enum LogLevel: Sendable { case info, warning, error }

    public init(dataPath: String, address: NodeAddress) {
        self.dataPath = dataPath
        self.address = address
    }
}
