import HTTPServer
import JSON
import Log
import Node
import Platform
import Replication
import Topology

/// `/replication/log` and `/replication/acks`: what a replica follows, and what it says of it.
enum PeerLog {
    static let routes: [Route] = [
        .peer(.get, "/replication/log", query: ["after", "hash", "reign"], open),
        .peer(
            .post, "/replication/acks", body: .json(bytesMax: Route.BodyRule.jsonBytesMax),
            acknowledge),
    ]

    private static func open(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        guard let after = call.query.text("after").flatMap(UInt64.init(_:)),
            let hash = call.query.text("hash").flatMap(Hash128.init(hex:))
        else {
            throw .invalidArgument(
                "The log is asked for with after, an index, and hash, its chain hash.")
        }
        let request = FeedRequest(
            peer: peer, after: Position(index: LogIndex(after), hash: hash),
            lastReign: call.query.text("reign").flatMap(reign(_:)),
            remoteAddress: call.head.remoteAddress)
        // Finding the place may read a whole segment.
        return try call.later(on: call.api.peerWork) { () throws(Problem) -> Route.Outcome in
            switch call.node.source.openFeed(request) {
            case .failure(let refusal):
                throw Problem(refusal)
            case .success(let feed):
                return .response(
                    Response(
                        status: 200,
                        headers: [("Content-Type", "application/octet-stream")]
                            + feed.headers.map { (name: $0.0, value: $0.1) },
                        body: .stream(FeedStream(feed))))
            }
        }
    }

    /// Reads `term.holder`.
    private static func reign(_ text: String) -> Reign? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let term = UInt32(parts[0]), let holder = UInt16(parts[1]) else {
            return nil
        }
        return Reign(term: term, holder: NodeNumber(rawValue: holder))
    }

    private static func acknowledge(
        _ call: Call, _ peer: PeerIdentity
    ) throws(Problem) -> Route.Outcome {
        guard let report = AckReport(json: try call.document()) else {
            throw .invalidArgument("The body is no report of a replica.")
        }
        switch call.node.source.acknowledge(report, from: peer) {
        case .failure(let refusal): throw Problem(refusal)
        case .success: return .response(.json([:]))
        }
    }
}

/// A feed as the body of an answer.
private final class FeedStream: ResponseStream {
    private let feed: Feed

    init(_ feed: Feed) { self.feed = feed }

    func opened(_ connection: StreamHandle) {
        feed.onWake { connection.wake() }
        feed.onAbort { connection.abort() }
    }

    func read(max: Int) -> StreamChunk {
        switch feed.read(max: max) {
        case .bytes(let bytes): .bytes(bytes)
        case .wait: .wait
        case .abort: .abort
        }
    }

    func closed() { feed.closed() }
}
