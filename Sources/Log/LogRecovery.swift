/// What opening a log found and did, for the operator.
public struct LogRecovery: Sendable, Equatable {
    /// Records of the tail that were read and verified.
    public var scannedRecords: UInt64 = 0
    public var scannedBytes: UInt64 = 0
    /// Bytes at the end that were no whole record, and are cut off.
    public var cut: Cut?
    /// The state was ahead of the log, which therefore begins anew behind the state's position.
    public var renewal: Renewal?
    /// Files that were no part of the log any more and are removed.
    public var removedFiles: [String] = []

    public struct Cut: Sendable, Equatable {
        /// The log ended here after the cut.
        public var after: Position
        /// The segment, and where in it the cut bytes began.
        public var file: String
        public var offset: UInt64
        public var bytes: UInt64
        /// Where they are kept, synced before they were cut.
        public var keptIn: String
        /// Why they are no record, as a clause.
        public var what: String
    }

    public struct Renewal: Sendable, Equatable {
        /// Where the log ended.
        public var from: Position
        /// Where the state stands, and the log begins.
        public var state: Position
    }
}
