import Glibc

/// The variables that this process was started with.
public enum ProcessEnvironment {
    public static subscript(name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// As `NAME=value`, without those that would change how a node runs: every flag of `convoy`
    /// can also come from `CONVOY_…`, and what the caller has set must not leak into the nodes.
    static let forNodes: [String] = {
        var all: [String] = []
        var place = environ
        while let entry = place.pointee {
            let line = String(cString: entry)
            if !line.hasPrefix("CONVOY_") { all.append(line) }
            place += 1
        }
        return all
    }()
}
