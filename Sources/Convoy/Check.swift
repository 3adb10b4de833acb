import ArgumentParser
import Engine
import Foundation

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify a data directory, offline.",
        discussion: """
            Reads the whole log with its chain of hashes, the state and the catalog, and says what is \
            wrong where. Changes nothing. The node must not be running. Exit code 1 when there is damage.
            """)

    @Argument(help: "The data directory.")
    var directory: String

    func run() throws {
        let report = EngineVerifier.verify(dataPath: directory)
        for finding in report.findings {
            print("\(finding.weight.rawValue): \(finding.place): \(finding.what)")
        }
        print(report.summary)
        if !report.isSound { throw ExitCode.failure }
    }
}
