import ArgumentParser
import Engine
import Log
import Node
import Platform
import Log
import Platform

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify a data directory, offline.",
        discussion: """
            Reads the whole log with its chain of hashes, the state and the catalog, and says what is \
            wrong where. Changes nothing. The node must not be running. Exit code 1 when there is \
            damage, 2 when nothing could be verified.
            """)

    @Argument(help: "The data directory.")
    var directory: String

    func run() throws {
        guard FileSystem.exists(directory + "/data") else {
            print("\(directory) is no node's data directory: nothing was verified")
            throw ExitCode(2)
        }
        let report = DataDirectoryCheck.verify(dataPath: directory)
        for finding in report.findings {
            print("\(finding.weight == .damage ? "damage" : "note"): \(finding)")
        }
        guard report.wasRead else { throw ExitCode(2) }
        let position =
            report.replayedPosition.map { "\($0.index) with hash \($0.hash.hex)" } ?? "none"
        print("position \(position)")
        print("\(report.namespaces) namespaces, \(report.keys) keys counted")
        print(report.isSound ? "sound" : "DAMAGED")
        if !report.isSound { throw ExitCode.failure }
    }
}
