import Platform
import Glibc

/// What a program did that ran to its end.
public struct CommandRun: Sendable {
    public let exitCode: Int32
    public let output: [UInt8]
    public let errors: String

    public var text: String { String(decoding: output, as: UTF8.self) }

    /// Runs `program` and blocks until it has ended.
    ///
    /// - Parameters:
    ///   - program: An absolute path.
    ///   - arguments: Without the program's name.
    ///   - input: What it reads from standard input.
    ///   - time: After which it is killed.
    /// - Throws: ``ClusterFailure`` when it did not end by itself, in time.
    public init(
        _ program: String, _ arguments: [String], input: [UInt8] = [],
        within time: Duration = .seconds(60)
    ) throws {
        let directory = try ScratchDirectory("command")
        let (inPath, outPath, errorPath) = (
            "\(directory.path)/in", "\(directory.path)/out", "\(directory.path)/err"
        )
        try FileSystem.replace(inPath, with: input)
        let child = try ChildProcess(
            program, arguments, input: inPath, output: outPath, errors: errorPath)
        let status = child.waitForEnd(within: time)
        errors = String(decoding: try FileSystem.readAll(errorPath), as: UTF8.self)
        output = try FileSystem.readAll(outPath)
        switch status {
        case .exited(let code):
            exitCode = code
        case .signalled(let signal):
            throw ClusterFailure("\(program) ended by signal \(signal): \(errors)")
        case nil:
            throw ClusterFailure("\(program) did not end within \(time)")
        }
    }

    /// Runs the `curl` of the system with `--silent --show-error` and what is given.
    public static func curl(
        _ arguments: [String], input: [UInt8] = [], within time: Duration = .seconds(60)
    ) throws -> CommandRun {
        try CommandRun(
            "/usr/bin/curl", ["--silent", "--show-error"] + arguments, input: input, within: time)
    }
}
