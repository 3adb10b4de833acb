import Engine
import Glibc
import JSON
import Log
import Platform
import Replication

/// Serves a ``Source`` over plain sockets, as the node's HTTP server does, with faults on demand.
/// One thread per connection.
final class LoopbackServer: Sendable {
    let port: UInt16
    let faults = Cell(Faults())
    private let source = Cell<Source?>(nil)
    private let listener: Int32
    private let sockets = Cell<Set<Int32>>([])

    struct Faults: Sendable {
        /// Nothing is sent any more; connections stay open.
        var isFrozen = false
        /// So many bytes of files are sent, then all is frozen, once.
        var freezeAfterFileBytes: Int?
        /// Feeds stay alive, but bring nothing behind this position, where they are.
        var heldAt: Position?
        /// A feed has come to hold: from then on nothing more is read of it.
        var isHolding = false
        /// So many bytes of files are sent, then the connection is cut, once.
        var cutAfterFileBytes: Int?
        /// Flip a byte of this file, so often.
        var damage: (name: String, count: Int)?
        /// Sent of files in all.
        var fileBytesSent = 0
        var snapshotRequests = 0
        var feedRequests = 0
        var acksRefused = 0
    }

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isBound else { throw FileError("listen", "loopback") }
        self.listener = listener
        port = UInt16(bigEndian: address.sin_port)
    }

    func serve(_ source: Source, identity: @escaping @Sendable () -> PeerIdentity) {
        self.source.value = source
        let listener = self.listener
        _ = WorkerThread(name: "test-accept") { [self] in
            while true {
                let socket = accept(listener, nil, nil)
                guard socket >= 0 else { break }
                sockets.change { $0.insert(socket) }
                _ = WorkerThread(name: "test-http") { [self] in
                    LoopbackConnection(socket: socket, server: self, source: source, identity)
                        .run()
                    sockets.change { $0.remove(socket) }
                    close(socket)
                }
            }
            close(listener)
        }
    }

    /// Cuts every connection that is open. Within the lock: the number of a closed one may be that
    /// of another test's socket.
    func cut() { sockets.change { for socket in $0 { shutdown(socket, Int32(SHUT_RDWR)) } } }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        cut()
        // The threads that wait end, too.
        faults.change {
            $0.isFrozen = false
            $0.heldAt = nil
        }
    }
}

/// One accepted connection: reads requests and answers them until either side closes.
struct LoopbackConnection {
    let socket: Int32
    let server: LoopbackServer
    let source: Source
    let identity: @Sendable () -> PeerIdentity

    init(
        socket: Int32, server: LoopbackServer, source: Source,
        _ identity: @escaping @Sendable () -> PeerIdentity
    ) {
        self.socket = socket
        self.server = server
        self.source = source
        self.identity = identity
    }

    private struct Request {
        var method: String
        var path: String
        var query: [String: String]
        var headers: [String: String]
        var body: [UInt8]
    }

    func run() {
        while let request = readRequest() {
            guard let peer = PeerIdentity(header: { request.headers[$0.lowercased()] }) else {
                return
            }
            guard answer(request, peer) else { return }
        }
    }

    private func answer(_ request: Request, _ peer: PeerIdentity) -> Bool {
        let parts = request.path.split(separator: "/").map(String.init)
        switch (request.method, parts.dropFirst().first, parts.count) {
        case ("GET", "log", 2): return answerLog(request, peer)
        case ("GET", "tail", 2): return answerTail(request)
        case ("POST", "acks", 2):
            guard let json = try? JSONValue(parsing: request.body),
                let report = AckReport(json: json)
            else { return false }
            switch source.acknowledge(report, from: peer) {
            case .success: return send(204, [], [])
            case .failure(let refusal):
                server.faults.change { $0.acksRefused += 1 }
                return send(refusal)
            }
        case ("POST", "snapshots", 2):
            server.faults.change { $0.snapshotRequests += 1 }
            switch source.openSnapshot(peer, remoteAddress: "127.0.0.1") {
            case .success(let manifest): return send(201, [], manifest.json.serialized())
            case .failure(let refusal): return send(refusal)
            }
        case ("DELETE", "snapshots", 3):
            source.releaseSnapshot(parts[2], for: peer)
            return send(204, [], [])
        case ("GET", "snapshots", 5):
            switch source.snapshotFile(parts[2], parts[4], for: peer) {
            case .success(let file): return sendFile(file.path, file.size, parts[4], request)
            case .failure(let refusal): return send(refusal)
            }
        default: return false
        }
    }

    /// Whether the position is one of this history; what follows it is not needed here.
    private func answerTail(_ request: Request) -> Bool {
        guard let index = request.query["after"].flatMap({ UInt64($0) }),
            let hash = request.query["hash"].flatMap({ Hash128(hex: $0) }),
            let log = source.environment.engine()?.log
        else { return false }
        do {
            try log.check(Position(index: LogIndex(index), hash: hash))
            return send(200, [], [])
        } catch {
            return send(FeedRefusal(409, "history-diverged", "the position is of another history"))
        }
    }

    private func answerLog(_ request: Request, _ peer: PeerIdentity) -> Bool {
        server.faults.change { $0.feedRequests += 1 }
        guard let index = request.query["after"].flatMap({ UInt64($0) }),
            let hash = request.query["hash"].flatMap({ Hash128(hex: $0) })
        else { return false }
        var reign: Reign?
        if let parts = request.query["reign"]?.split(separator: "."), parts.count == 2,
            let term = UInt32(parts[0]), let holder = UInt16(parts[1])
        {
            reign = Reign(term: term, holder: NodeNumber(rawValue: holder))
        }
        let opened = source.openFeed(
            FeedRequest(
                peer: peer, after: Position(index: LogIndex(index), hash: hash), lastReign: reign,
                remoteAddress: "127.0.0.1"))
        let feed: Feed
        switch opened {
        case .failure(let refusal): return send(refusal)
        case .success(let opened): feed = opened
        }
        // Once this returns, the socket's number may be another test's.
        let isOpen = Cell(true)
        defer {
            feed.closed()
            isOpen.value = false
        }
        let wakes = Monitor(0)
        let socket = self.socket
        feed.onAbort { isOpen.change { if $0 { shutdown(socket, Int32(SHUT_RDWR)) } } }
        feed.onWake { wakes.update { $0 += 1 } }
        guard send(head(200, feed.headers + [("Transfer-Encoding", "chunked")])) else {
            return false
        }
        var seen = 0
        while true {
            let faults = server.faults.value
            if faults.isFrozen {
                _ = wakes.wait(until: .now() + .milliseconds(20)) { _ in nil as Bool? }
                continue
            }
            if let position = faults.heldAt {
                if !faults.isHolding { server.faults.change { $0.isHolding = true } }
                // Without a byte the replica would give the link up after 3 s.
                guard sendChunk(WireFrame.ackWanted.encode(after: position)) else { return false }
                _ = wakes.wait(until: .now() + .milliseconds(20)) { _ in nil as Bool? }
                continue
            }
            switch feed.read(max: 64 << 10) {
            case .abort: return false
            case .bytes(let bytes): guard sendChunk(bytes) else { return false }
            case .wait:
                let last = seen
                seen =
                    wakes.wait(until: .now() + .milliseconds(100)) { $0 != last ? $0 : nil } ?? last
                var byte: UInt8 = 0
                guard recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) != 0
                else { return false }
            }
        }
    }

    private func sendFile(_ path: String, _ size: UInt64, _ name: String, _ request: Request)
        -> Bool
    {
        guard let bounds = request.headers["range"]?.dropFirst(6).split(separator: "-"),
            bounds.count == 2, let first = UInt64(bounds[0]), let last = UInt64(bounds[1]),
            first <= last, last < size, let file = try? File(path, .read),
            var bytes = try? file.read(at: first, count: Int(last - first + 1))
        else { return false }
        server.faults.change {
            if let damage = $0.damage, damage.name == name || damage.name == "*", damage.count > 0 {
                $0.damage?.count -= 1
                bytes[bytes.count / 2] ^= 1
            }
        }
        guard
            send(
                head(
                    206,
                    [
                        ("Content-Length", "\(bytes.count)"),
                        ("Content-Range", "bytes \(first)-\(last)/\(size)"),
                    ]))
        else { return false }
        for start in stride(from: 0, to: bytes.count, by: 16 << 10) {
            while server.faults.value.isFrozen {
                _ = Monitor(0).wait(until: .now() + .milliseconds(20)) { _ in nil as Bool? }
            }
            let piece = Array(bytes[start..<min(bytes.count, start + 16 << 10)])
            let cut = Cell(false)
            server.faults.change {
                if let limit = $0.cutAfterFileBytes, $0.fileBytesSent + piece.count > limit {
                    $0.cutAfterFileBytes = nil
                    cut.value = true
                } else {
                    $0.fileBytesSent += piece.count
                }
                if let limit = $0.freezeAfterFileBytes, $0.fileBytesSent > limit {
                    $0.freezeAfterFileBytes = nil
                    $0.isFrozen = true
                }
            }
            if cut.value {
                server.cut()
                return false
            }
            guard send(piece) else { return false }
        }
        return true
    }

    private func send(_ refusal: FeedRefusal) -> Bool {
        var body = JSONObject([
            ("status", JSONValue(refusal.status)), ("code", .string(refusal.code)),
            ("detail", .string(refusal.detail)),
        ])
        for member in refusal.members { body[member.name] = member.value }
        return send(refusal.status, [], JSONValue.object(body).serialized())
    }

    private func send(_ status: Int, _ headers: [(String, String)], _ body: [UInt8]) -> Bool {
        let length = status == 204 ? [] : [("Content-Length", "\(body.count)")]
        return send(head(status, headers + length) + body)
    }

    private func head(_ status: Int, _ headers: [(String, String)]) -> [UInt8] {
        let lines = (identity().headers + headers).map { "\($0.0): \($0.1)\r\n" }.joined()
        return Array("HTTP/1.1 \(status) X\r\n\(lines)\r\n".utf8)
    }

    private func sendChunk(_ bytes: [UInt8]) -> Bool {
        let size = Array("\(String(bytes.count, radix: 16))\r\n".utf8)
        return send(size + bytes + [13, 10])
    }

    private func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    socket, buffer.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private func readRequest() -> Request? {
        var bytes: [UInt8] = []
        while bytes.suffix(4) != [13, 10, 13, 10] {
            var byte: UInt8 = 0
            guard recv(socket, &byte, 1, 0) == 1 else { return nil }
            bytes.append(byte)
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        guard let start = lines.first?.split(separator: " "), start.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(
                line[line.index(after: colon)...].drop { $0 == " " })
        }
        var body: [UInt8] = []
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        while body.count < length {
            var byte: UInt8 = 0
            guard recv(socket, &byte, 1, 0) == 1 else { return nil }
            body.append(byte)
        }
        let target = start[1].split(separator: "?", maxSplits: 1)
        var query: [String: String] = [:]
        for pair in target.count > 1 ? target[1].split(separator: "&") : [] {
            let parts = pair.split(separator: "=", maxSplits: 1)
            query[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
        }
        return Request(
            method: String(start[0]), path: String(target[0]), query: query, headers: headers,
            body: body)
    }
}
