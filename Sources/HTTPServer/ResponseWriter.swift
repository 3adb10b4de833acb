import CMicroHTTPD
import Glibc

/// Turns a ``Response`` into libmicrohttpd's and queues it.
enum ResponseWriter {
    /// Smaller bodies are copied; larger ones are sent from the array in pieces.
    private static let copiedBytesMax = 64 << 10
    private static let pieceBytes = 64 << 10

    enum Outcome {
        case queued(StreamHandle?)
        /// The body's file could not be opened, or is too short. Nothing was queued.
        case unreadableFile
        /// libmicrohttpd refused. The connection must be closed.
        case refused
    }

    /// Only from the request callback of `mhd`.
    static func queue(
        _ response: Response, on mhd: MHDConnection, of connection: ClientConnection
    ) -> Outcome {
        var handle: StreamHandle?
        let made: OpaquePointer?
        switch response.isBodiless ? .none : response.body {
        case .none:
            response.discard()
            made = MHD_create_response_from_buffer(0, nil, .RESPMEM_PERSISTENT)
        case .bytes(let bytes):
            made = create(from: bytes)
        case .file(let path, let offset, let length):
            guard let opened = create(fromFile: path, offset: offset, length: length) else {
                return .unreadableFile
            }
            made = opened
        case .stream(let stream):
            let opened = StreamHandle(stream: stream, connection: connection, mhd: mhd)
            handle = opened
            made = create(from: opened)
        }
        guard let made else {
            response.discard()
            return .refused
        }
        defer { MHD_destroy_response(made) }  // The queue keeps its own reference.

        for (name, value) in response.headers {
            MHD_add_response_header(made, name, sanitized(value))
        }
        handle?.open()
        guard MHD_queue_response(mhd.handle, UInt32(response.status), made) == .YES else {
            handle?.finish()
            return .refused
        }
        return .queued(handle)
    }

    /// A value that holds a line break would be read as further header fields.
    private static func sanitized(_ value: String) -> String {
        func isForbidden(_ byte: UInt8) -> Bool { byte == 0 || byte == 10 || byte == 13 }
        guard value.utf8.contains(where: isForbidden) else { return value }

        return String(decoding: value.utf8.map { isForbidden($0) ? 32 : $0 }, as: UTF8.self)
    }

    private static func create(from bytes: [UInt8]) -> OpaquePointer? {
        guard bytes.count > copiedBytesMax else {
            return bytes.withUnsafeBytes {
                // libmicrohttpd copies: it does not write through the pointer.
                MHD_create_response_from_buffer(
                    $0.count, UnsafeMutableRawPointer(mutating: $0.baseAddress),
                    .RESPMEM_MUST_COPY)
            }
        }
        let body = Unmanaged.passRetained(LargeBody(bytes))  // Balanced by the release in `free`.
        return MHD_create_response_from_callback(
            UInt64(bytes.count), pieceBytes,
            { context, position, buffer, max in
                guard let context, let buffer else { return Int(MHD_CONTENT_READER_END_WITH_ERROR) }
                return Unmanaged<LargeBody>.fromOpaque(context).takeUnretainedValue()
                    .copy(from: Int(position), to: .init(start: buffer, count: max))
            },
            body.toOpaque(),
            { context in
                if let context { Unmanaged<LargeBody>.fromOpaque(context).release() }
            })
    }

    private static func create(from stream: StreamHandle) -> OpaquePointer? {
        let context = Unmanaged.passRetained(stream)  // Balanced by the release in `free`.
        return MHD_create_response_from_callback(
            UInt64.max, pieceBytes,  // The length is MHD_SIZE_UNKNOWN.
            { context, _, buffer, max in
                guard let context, let buffer else { return Int(MHD_CONTENT_READER_END_WITH_ERROR) }
                return Unmanaged<StreamHandle>.fromOpaque(context).takeUnretainedValue()
                    .fill(.init(start: buffer, count: max))
            },
            context.toOpaque(),
            { context in
                if let context { Unmanaged<StreamHandle>.fromOpaque(context).release() }
            })
    }

    private static func create(
        fromFile path: String, offset: UInt64, length: UInt64
    ) -> OpaquePointer? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }

        var status = stat()
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard !overflow, fstat(descriptor, &status) == 0, end <= UInt64(status.st_size),
            let response = MHD_create_response_from_fd_at_offset64(length, descriptor, offset)
        else {
            close(descriptor)
            return nil
        }
        return response  // Closes the descriptor.
    }
}

/// Keeps a body alive while pieces of it are sent.
private final class LargeBody: Sendable {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func copy(from position: Int, to buffer: UnsafeMutableRawBufferPointer) -> Int {
        let piece = bytes[position..<min(bytes.count, position + buffer.count)]
        buffer.copyBytes(from: piece)
        return piece.count
    }
}
