public import Engine
import HTTPClient
public import Log
public import Platform

/// Takes the entries that another node has beyond this one's: for who is about to open a reign.
public enum TailFetch {
    /// Most bytes of one answer.
    public static let answerBytesMax = Record.bytesMax + (1 << 20)

    /// Asks until the peer has nothing more, and applies what comes. Blocks.
    ///
    /// - Parameters:
    ///   - client: Of the peer.
    ///   - position: Where this node stands.
    ///   - deadline: Checked between answers.
    ///   - apply: Applies entries; false when the node does not want them any more.
    /// - Returns: How many entries came.
    /// - Throws: ``PeerError``; what came before was applied.
    public static func run(
        _ client: PeerClient, after position: Position, until deadline: MonotonicTime,
        apply: ([Record], [UInt8]) throws(EngineError) -> Bool
    ) throws(PeerError) -> UInt64 {
        var stream = RecordStream(after: position)
        var entries: UInt64 = 0
        while MonotonicTime.now() < deadline {
            let at = stream.position
            let bytes = try client.bytes(
                "/replication/tail?after=\(at.index)&hash=\(at.hash.hex)",
                bytesMax: answerBytesMax)
            if bytes.isEmpty { return entries }
            stream.push(bytes)
            do {
                while let run = try stream.nextRun(bytesMax: 1 << 20) {
                    guard try apply(run.records, run.encoded) else { throw PeerError.cancelled }
                    entries += UInt64(run.records.count)
                }
            } catch let error as PeerError {
                throw error
            } catch {
                throw .badAnswer("the entries do not follow this history: \(error)")
            }
        }
        throw .timedOut(.total)
    }
}
