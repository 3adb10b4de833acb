import HTTPClient
import Platform

/// Fetches the files of a staging over several connections.
struct FileFetch {
    let session: ReplicaSession
    let staging: Staging
    /// Called on the calling thread, ten times a second, while files are fetched; with whether the
    /// limit keeps anything from being read now.
    let onProgress: (_ isHeldBack: Bool) -> Void

    static let connections = 4
    /// One request's worth: so much is asked for again at most when a link breaks in silence.
    static let pieceBytes: UInt64 = 16 << 20
    private static let interval = Duration.milliseconds(100)

    enum Failure: Error {
        case peer(PeerError)
        case io(FileError)
        case damaged(String)
    }

    private struct Work: Sendable {
        var running: Int
        var failure: Failure?
    }

    /// Blocks until every file is there and verified, or the first failure has ended all.
    func run() throws(Failure) {
        let clients = (0..<FileFetch.connections).map { _ in session.makeClient() }
        defer { for client in clients { session.forget(client) } }

        let work = Monitor(Work(running: clients.count))
        limit(clients, among: clients.count)
        for (number, client) in clients.enumerated() {
            let staging = self.staging
            _ = WorkerThread(name: "fetch-\(number)") {
                do throws(Failure) {
                    while work.withLock({ $0.failure == nil }), let transfer = staging.next() {
                        try FileFetch.fetch(transfer, of: staging.manifest.id, with: client)
                    }
                } catch {
                    let failure = error
                    work.withLock { $0.failure = $0.failure ?? failure }
                }
                work.update { $0.running -= 1 }
            }
        }
        while true {
            let end = work.wait(until: .now() + FileFetch.interval) {
                $0.running == 0 || $0.failure != nil ? $0 : nil
            }
            onProgress(clients.contains { $0.isHeldBack })
            limit(clients, among: work.withLock { $0.running })
            guard let end else { continue }
            if end.failure != nil { for client in clients { client.cancel() } }
            guard end.running == 0 else {
                // Within the time that a cancelled call takes to end.
                _ = work.wait(until: .distantFuture) { $0.running == 0 ? true : nil }
                continue
            }
            if let failure = end.failure { throw failure }
            return
        }
    }

    /// Shares the limit among the connections that still have files to fetch.
    private func limit(_ clients: [PeerClient], among running: Int) {
        let rate = session.environment.syncBytesPerSecondMax()
        for client in clients {
            client.setRate(bytesPerSecond: rate.map { max(1, $0 / UInt64(max(1, running))) })
        }
    }

    private static func fetch(
        _ transfer: FileTransfer, of snapshot: String, with client: PeerClient
    ) throws(Failure) {
        let target: File
        do throws(FileError) {
            target = try File(transfer.path, .readWrite)
            try transfer.takeUp(from: target)
        } catch { throw .io(error) }
        repeat {
            while transfer.bytesLeft > 0 {
                try fetchPiece(of: transfer, snapshot, with: client, to: target)
            }
        } while try !isVerified(transfer)
    }

    private static func isVerified(_ transfer: FileTransfer) throws(Failure) -> Bool {
        do throws(FileTransfer.Failure) {
            return try transfer.verify()
        } catch { throw Failure(error, of: transfer) }
    }

    private static func fetchPiece(
        of transfer: FileTransfer, _ snapshot: String, with client: PeerClient, to target: File
    ) throws(Failure) {
        let first = transfer.offset
        let last = min(transfer.file.size, first + pieceBytes) - 1
        let range = "bytes \(first)-\(last)/\(transfer.file.size)"
        var failure: FileTransfer.Failure?
        do throws(PeerError) {
            try client.stream(
                "/replication/snapshots/\(snapshot)/files/\(transfer.file.name)",
                headers: [("Range", "bytes=\(first)-\(last)")], deadlines: FetchDeadlines(),
                statuses: [206],
                onHead: { head in
                    head.header("Content-Range") == range
                        ? nil : "\(head.header("Content-Range") ?? "no range") instead of \(range)"
                },
                onBytes: { bytes in
                    do throws(FileTransfer.Failure) {
                        try transfer.append(bytes, to: target)
                        return true
                    } catch {
                        failure = error
                        return false
                    }
                })
        } catch { throw .peer(error) }
        if let failure { throw Failure(failure, of: transfer) }
        guard transfer.offset == last + 1 else {
            throw .damaged("\(transfer.file.name): a piece came short")
        }
    }
}

extension FileFetch.Failure {
    init(_ failure: FileTransfer.Failure, of transfer: FileTransfer) {
        self =
            switch failure {
            case .io(let error): .io(error)
            case .tooLong: .damaged("\(transfer.file.name) is longer than the manifest says")
            case .wrongHash:
                .damaged("\(transfer.file.name) twice came with another hash than the manifest's")
            }
    }
}
