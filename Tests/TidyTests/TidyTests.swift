import Foundation
import Testing

/// The rules of the house that no compiler knows.
@Suite struct TidyTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every Swift file below a folder, with its text.
    private static func files(below folder: String) throws -> [(path: String, text: String)] {
        let base = root.appending(path: folder)
        let all = FileManager.default.enumerator(atPath: base.path)
        var files: [(path: String, text: String)] = []
        while let path = all?.nextObject() as? String {
            guard path.hasSuffix(".swift") else { continue }
            let text = try String(contentsOf: base.appending(path: path), encoding: .utf8)
            files.append(("\(folder)/\(path)", text))
        }
        return files
    }

    @Test func `only its owner imports a C library`() throws {
        let owners = [
            "CRocksDB": "Sources/RocksDB/", "CMicroHTTPD": "Sources/HTTPServer/",
            "CJansson": "Sources/JSON/", "CCurl": "Sources/HTTPClient/",
            "CXXHash": "Sources/Platform/", "CCrypto": "Sources/Platform/",
            "CPlatform": "Sources/Platform/",
        ]
        let files = try Self.files(below: "Sources")
        #expect(files.count > 100)
        for (module, owner) in owners {
            let importers = files.filter { $0.text.contains("import \(module)\n") }
            #expect(!importers.isEmpty, "nobody imports \(module)")
            for file in importers { #expect(file.path.hasPrefix(owner), "\(file.path)") }
        }
    }

    @Test func `no file has more than 500 lines, and none a note to finish it`() throws {
        for folder in ["Sources", "Tests", "Plugins"] {
            for file in try Self.files(below: folder) {
                let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
                #expect(lines.count <= 501, "\(file.path) has \(lines.count) lines")
                for word in ["FIX" + "ME", "XX" + "X:", "TO" + "DO"] {
                    #expect(!file.text.contains(word), "\(file.path) has a \(word)")
                }
            }
        }
    }

    @Test func `opt-outs of the compiler's checks stay where C is`() throws {
        let allowed = [
            "Sources/Platform/", "Sources/RocksDB/", "Sources/JSON/", "Sources/HTTPServer/",
            "Sources/HTTPClient/",
        ]
        for file in try Self.files(below: "Sources") {
            let isAllowed = allowed.contains { file.path.hasPrefix($0) }
            for word in ["@unchecked Sendable", "nonisolated(unsafe)", "Unmanaged"] {
                let isUsed = file.text.contains(word)
                #expect(!isUsed || isAllowed, "\(file.path) uses \(word)")
            }
        }
    }

    @Test func `every lock is one that ThreadSanitizer sees`() throws {
        for folder in ["Sources", "Tests"] {
            for file in try Self.files(below: folder) {
                for word in ["Mut" + "ex(", "Mut" + "ex<"] {
                    #expect(!file.text.contains(word), "\(file.path) has a \(word)")
                }
            }
        }
    }

    @Test func `every module is in the architecture's map`() throws {
        let text = try String(
            contentsOf: Self.root.appending(path: "ARCHITECTURE.md"), encoding: .utf8)
        let modules = try FileManager.default.contentsOfDirectory(
            atPath: Self.root.appending(path: "Sources").path)
        #expect(modules.count > 10)
        for module in modules { #expect(text.contains("`\(module)`"), "\(module) is missing") }
    }

    @Test func `every test that the architecture names is there`() throws {
        let text = try String(
            contentsOf: Self.root.appending(path: "ARCHITECTURE.md"), encoding: .utf8)
        let section = try #require(text.split(separator: "## The five incidents").last)
            .split(separator: "\n## ")[0]
        let names = section.split(separator: "\n").filter { $0.hasPrefix("| ") }
            .flatMap { $0.matches(of: /`([^`]+ [^`]+)`/).map(\.output.1) }
        #expect(names.count > 25)
        let tests = try Self.files(below: "Tests").map(\.text).joined()
        #expect(names.filter { !tests.contains("func `\($0)`") } == [])
    }

    @Test func `the repository names no path of a machine`() throws {
        let markers = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"]
        for folder in ["Sources", "Tests", "Plugins"] {
            for file in try Self.files(below: folder) {
                for marker in markers {
                    #expect(!file.text.contains(marker), "\(file.path) has \(marker)")
                }
            }
        }
    }
}
