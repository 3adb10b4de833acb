public import JSON
public import Log
public import Platform

/// What a snapshot consists of: the answer to `POST /replication/snapshots`.
public struct SnapshotManifest: Equatable, Sendable {
    public let id: String
    /// Read from the checkpoint itself.
    public let position: Position
    public let lineage: Lineage
    /// By name.
    public let files: [File]

    public struct File: Hashable, Sendable {
        public let name: String
        public let size: UInt64
        public let hash: Hash128

        public init(name: String, size: UInt64, hash: Hash128) {
            self.name = name
            self.size = size
            self.hash = hash
        }

        /// Whether `name` can only mean a file inside a directory: no separator, no dot at the head.
        static func isPlainName(_ name: String) -> Bool {
            (1...255).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: ".")
                && name.utf8.allSatisfy {
                    $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "%")
                        && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#")
                }
        }
    }

    /// A database of 64 MiB files and 6 TiB.
    public static let filesMax = 100_000

    public init(id: String, position: Position, lineage: Lineage, files: [File]) {
        self.id = id
        self.position = position
        self.lineage = lineage
        self.files = files.sorted { $0.name < $1.name }
    }

    public var bytes: UInt64 { files.reduce(0) { $0 + $1.size } }

    public func file(named name: String) -> File? { files.first { $0.name == name } }

    public var json: JSONValue {
        .object([
            "id": .string(id),
            "position": .position(position),
            "lineage": .string(lineage.hex),
            "bytes": JSONValue(bytes),
            "files": .array(
                files.map {
                    .object([
                        "name": .string($0.name), "size": JSONValue($0.size),
                        "hash": .hash($0.hash),
                    ])
                }),
        ])
    }

    /// Nil when something is missing, a name is not plain or stands twice, or there are too many files.
    public init?(json: JSONValue) {
        guard let id = json.text("id"), PeerIdentity.isSessionID(id),
            let position = json.position("position"), let lineage = json.lineage("lineage"),
            let items = json["files"]?.arrayValue, items.count <= SnapshotManifest.filesMax
        else { return nil }
        var files: [File] = []
        var names: Set<String> = []
        var total: UInt64 = 0
        for item in items {
            guard let name = item.text("name"), File.isPlainName(name),
                names.insert(name).inserted, let size = item.unsigned("size", UInt64.self),
                let hash = item.hash("hash")
            else { return nil }
            let (sum, overflows) = total.addingReportingOverflow(size)
            guard !overflows else { return nil }
            total = sum
            files.append(File(name: name, size: size, hash: hash))
        }
        self.init(id: id, position: position, lineage: lineage, files: files)
    }
}
