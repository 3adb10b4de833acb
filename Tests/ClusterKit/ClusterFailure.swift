/// Why the harness cannot go on, in words for the test's report.
public struct ClusterFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
