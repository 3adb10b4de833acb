import Glibc
import Platform

/// Where the program under test is.
public enum ConvoyBinary {
    /// CONVOY_BINARY, else beside this process's own program, which is in the build directory.
    ///
    /// - Throws: ``ClusterFailure`` with what to do, when there is none.
    public static func path() throws(ClusterFailure) -> String {
        if let given = ProcessEnvironment["CONVOY_BINARY"] {
            guard access(given, X_OK) == 0 else {
                throw ClusterFailure("CONVOY_BINARY is \(given): there is no such program")
            }
            return given
        }
        let found = candidates().first { access($0, X_OK) == 0 }
        guard let found else {
            throw ClusterFailure(
                """
                there is no `convoy` program: run `swift build --product convoy`, or set \
                CONVOY_BINARY. Looked at: \(candidates().joined(separator: ", "))
                """)
        }
        return found
    }

    private static func candidates() -> [String] {
        var directories = arguments.filter { $0.hasPrefix("/") && $0.contains("/.build") }
            .map { FileSystem.parent(of: $0) }
        if let own = ownPath() { directories.append(FileSystem.parent(of: own)) }
        if let start = workingDirectory() {
            directories += ["\(start)/.build/debug", "\(start)/.build/release"]
        }
        var seen: Set<String> = []
        return directories.map { "\($0)/convoy" }.filter { seen.insert($0).inserted }
    }

    /// Of the test runner these name the test bundle.
    private static let arguments: [String] = CommandLine.arguments

    private static func ownPath() -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func workingDirectory() -> String? {
        guard let path = getcwd(nil, 0) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }
}
