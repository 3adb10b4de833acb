import Access
import ArgumentParser
import Engine
import Foundation
import Log
import Node
import Platform
import Topology

/// The flags, the environment and the defaults, made into what the node and the server are given.
struct Settings {
    var node: NodeOptions
    var http: Endpoint
    var health: Endpoint?
    var allowedHosts: [String]
    var secret: ClusterSecrets?
    /// Where it is read from, again at each SIGHUP.
    var secretPath: String?
    /// Certificate and key; nil serves plain HTTP.
    var tls: TLSFiles?
    var openMetrics: Bool
    /// Whether `--advertise` was given; else it is the address that HTTP is served on.
    var isAdvertised: Bool

    /// An address and a port to listen on.
    struct Endpoint {
        var host: String
        var port: UInt16
    }

    init(_ flags: Serve) throws {
        let environment = Environment()
        http = try Settings.endpoint(
            flags.http ?? environment["HTTP"] ?? "127.0.0.1:7070", of: "--http")
        health = try (flags.health ?? environment["HEALTH"]).map {
            try Settings.endpoint($0, of: "--health")
        }
        allowedHosts =
            flags.allowHost.isEmpty
            ? (environment["ALLOW_HOST"] ?? "").split(separator: ",").map(String.init)
            : flags.allowHost
        let given = flags.advertise ?? environment["ADVERTISE"]
        if given == nil, ["0.0.0.0", "::"].contains(http.host) {
            throw ValidationError(
                "--http \(http.host) is every address of this machine: say with --advertise under which URL others reach it"
            )
        }
        isAdvertised = given != nil
        tls = try TLSFiles(flags, environment)
        let advertised =
            given ?? Settings.url(of: .init(host: http.host, port: max(1, http.port)), tls: tls)
        node = NodeOptions(
            dataPath: Settings.absolute(flags.data ?? environment["DATA"] ?? "convoy-data"),
            address: try Settings.address(advertised, of: "--advertise"))
        openMetrics = flags.openMetrics || environment["OPEN_METRICS"] == "1"
        secretPath = flags.clusterSecretFile ?? environment["CLUSTER_SECRET_FILE"]
        secret = try Settings.secret(file: flags.clusterSecretFile, environment)
        node.secret = secret
        if let file = flags.linksCaFile ?? environment["LINKS_CA_FILE"] {
            guard FileSystem.exists(file) else {
                throw ValidationError("--links-ca-file '\(file)': there is no such file")
            }
            node.linkAuthoritiesFile = Settings.absolute(file)
        }
        node.insecureLinks = flags.insecureLinks || environment["INSECURE_LINKS"] == "1"
        node.name = try Settings.name(flags.name ?? environment["NAME"])
        node.join = try (flags.join ?? environment["JOIN"]).map {
            try Settings.address($0, of: "--join")
        }
        try readNumbers(flags, environment)
    }

    private mutating func readNumbers(_ flags: Serve, _ environment: Environment) throws {
        func number(_ flag: UInt64?, _ name: String, _ range: ClosedRange<UInt64>) throws -> UInt64?
        {
            guard let value = try flag ?? environment.number(name) else { return nil }
            guard range.contains(value) else {
                let flag = name.lowercased().replacing("_", with: "-")
                throw ValidationError(
                    "--\(flag) (or CONVOY_\(name)): \(value) is not in \(range.lowerBound) to \(range.upperBound)"
                )
            }
            return value
        }
        if let text = flags.sync ?? environment["SYNC"] {
            guard let policy = SyncPolicy(rawValue: text) else {
                throw ValidationError("--sync '\(text)': always, interval or os")
            }
            node.engine.log.syncPolicy = policy
        }
        if let text = flags.isolatedWrites ?? environment["ISOLATED_WRITES"] {
            guard let writes = NodeOptions.IsolatedWrites(rawValue: text) else {
                throw ValidationError("--isolated-writes '\(text)': serve or refuse")
            }
            node.isolatedWrites = writes
        }
        let bytes: ClosedRange<UInt64> = 0...(1 << 50)
        if let value = try number(flags.logRetentionBytes, "LOG_RETENTION_BYTES", bytes) {
            node.logRetentionBytes = value
        }
        if let value = try number(flags.logRetentionMaxBytes, "LOG_RETENTION_MAX_BYTES", bytes) {
            node.logRetentionBytesMax = value
        }
        if let value = try number(flags.logSegmentBytes, "LOG_SEGMENT_BYTES", 4096...(1 << 40)) {
            node.engine.log.segmentBytesMax = value
        }
        if let value = try number(flags.inSyncLagMs, "IN_SYNC_LAG_MS", 1...86_400_000) {
            node.inSyncLag = .milliseconds(Int64(value))
        }
        if let value = try number(flags.diskReserveBytes, "DISK_RESERVE_BYTES", bytes) {
            node.diskReserveBytes = value
        }
        node.fullSyncBytesPerSecondMax = try number(
            flags.fullSyncMaxBytesPerSecond, "FULL_SYNC_MAX_BYTES_PER_SECOND",
            NodeOptions.fullSyncRates)
        if let value = try number(flags.blockCacheBytes, "BLOCK_CACHE_BYTES", 1 << 20...(1 << 40)) {
            node.engine.blockCacheBytes = Int(value)
        }
        if let value = try number(flags.recoverTimeoutMs, "RECOVER_TIMEOUT_MS", 0...3_600_000) {
            node.recoverTimeout = .milliseconds(Int64(value))
        }
        guard node.logRetentionBytes <= node.logRetentionBytesMax else {
            throw ValidationError("--log-retention-bytes is above --log-retention-max-bytes")
        }
    }

    static func name(_ text: String?) throws -> NodeName? {
        guard let text else { return nil }
        guard let name = NodeName(text) else {
            throw ValidationError(
                "--name '\(text)': 1 to 64 characters of a-z, 0-9, '.', '_', '-', beginning with a letter or digit, and not 'self'"
            )
        }
        return name
    }

    /// The cluster secret out of the file of `--cluster-secret-file`, or of the environment.
    static func secret(file: String?, _ environment: Environment) throws -> ClusterSecrets? {
        var text = environment["CLUSTER_SECRET"]
        if let path = file ?? environment["CLUSTER_SECRET_FILE"] {
            do {
                text = try Settings.text(of: path)
            } catch {
                throw ValidationError("--cluster-secret-file: \(error)")
            }
        }
        guard let text else { return nil }
        guard let secret = ClusterSecrets(text: text) else {
            throw ValidationError("the cluster secret must be \(ClusterSecrets.rule)")
        }
        return secret
    }

    /// A small file of an operator.
    static func text(of path: String) throws -> String {
        String(decoding: try FileSystem.readAll(path, bytesMax: 4096), as: UTF8.self)
    }

    private static func endpoint(_ text: String, of flag: String) throws -> Endpoint {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else {
            throw ValidationError("\(flag) '\(text)': an address and a port, as in 127.0.0.1:7070")
        }
        var host = String(text[..<colon])
        if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return Endpoint(host: host, port: port)
    }

    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func address(_ text: String, of flag: String) throws -> NodeAddress {
        guard let address = NodeAddress(text) else {
            throw ValidationError("\(flag) '\(text)': http://host:port and nothing else")
        }
        return address
    }

    static func url(of endpoint: Endpoint, tls: TLSFiles?) -> String {
        let scheme = tls == nil ? "http" : "https"
        return endpoint.host.contains(":")
            ? "\(scheme)://[\(endpoint.host)]:\(endpoint.port)"
            : "\(scheme)://\(endpoint.host):\(endpoint.port)"
    }

    static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }
}

/// The variables `CONVOY_…`.
struct Environment {
    private let variables = ProcessInfo.processInfo.environment

    subscript(_ name: String) -> String? {
        variables["CONVOY_\(name)"].flatMap { $0.isEmpty ? nil : $0 }
    }

    func number(_ name: String) throws -> UInt64? {
        guard let text = self[name] else { return nil }
        guard let number = UInt64(text) else {
            throw ValidationError("CONVOY_\(name) '\(text)': a whole number")
        }
        return number
    }
}
