/// A file that is part of the program: the status page, and the contract that it serves.
public struct Asset: Sendable {
    /// As in `index.html`.
    public let name: String
    public let text: String
}

/// What the build embedded: the files of `public/`, and `openapi/convoy.yaml` as `openapi.json`.
public enum Assets {
    public static let all: [Asset] = EmbeddedAssets.all

    public static func named(_ name: String) -> Asset? { all.first { $0.name == name } }
}
