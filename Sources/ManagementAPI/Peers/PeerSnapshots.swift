import HTTPServer
import JSON
import Node
import Replication

/// `/replication/snapshots`: what a full sync fetches.
enum PeerSnapshots {
    static let routes: [Route] = [
        .peer(
            .post, "/replication/snapshots", body: .json(bytesMax: Route.BodyRule.jsonBytesMax),
            create),
        .peer(.get, "/replication/snapshots/{id}/files/{name}", file),
        .peer(.delete, "/replication/snapshots/{id}", release),
    ]

    private static func create(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome
    {
        // A checkpoint, and the hashes of its files: seconds.
        try call.later(on: call.api.peerWork) { () throws(Problem) -> Route.Outcome in
            let taken = call.node.source.openSnapshot(peer, remoteAddress: call.head.remoteAddress)
            switch taken {
            case .failure(let refusal): throw Problem(refusal)
            case .success(let manifest): return .response(.json(manifest.json, status: 201))
            }
        }
    }

    private static func file(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome {
        let found = call.node.source.snapshotFile(
            call.parameter("id"), call.parameter("name"), for: peer)
        switch found {
        case .failure(let refusal):
            throw Problem(refusal)
        case .success((let path, let size)):
            return .response(try answer(path, size, range: call.head.header("Range")))
        }
    }

    private static func answer(
        _ path: String, _ size: UInt64, range: String?
    ) throws(Problem) -> Response {
        var headers = [
            (name: "Content-Type", value: "application/octet-stream"),
            (name: "Accept-Ranges", value: "bytes"),
        ]
        switch ByteRange(range, size: size) {
        case .whole:
            return Response(
                status: 200, headers: headers, body: .file(path: path, offset: 0, length: size))
        case .part(let offset, let length):
            headers.append(
                (name: "Content-Range", value: "bytes \(offset)-\(offset + length - 1)/\(size)"))
            return Response(
                status: 206, headers: headers,
                body: .file(path: path, offset: offset, length: length))
        case .unsatisfiable:
            throw .rangeNotSatisfiable(size: size)
        }
    }

    private static func release(_ call: Call, _ peer: PeerIdentity) throws(Problem) -> Route.Outcome
    {
        call.node.source.releaseSnapshot(call.parameter("id"), for: peer)
        return .response(.json([:]))
    }
}
