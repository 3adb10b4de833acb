import CMicroHTTPD
import Glibc

/// libmicrohttpd's callbacks: each unwraps its objects and calls one method.
///
/// - `context` is the ``Listening``. Unretained: the ``HTTPListener`` owns it, and stops the daemon
///   before releasing it.
/// - A socket's context is its ``ClientConnection``, retained from `connectionChanged` to itself.
/// - A request's context is its ``Transaction``, retained from `requestLine` to `completed`.
enum Trampolines {
    static let accept: MHD_AcceptPolicyCallback = { context, address, _ in
        guard let context else { return .NO }
        let listening = Unmanaged<Listening>.fromOpaque(context).takeUnretainedValue()
        return listening.connections.hasRoom(for: ClientAddress(address)) ? .YES : .NO
    }

    static let connectionChanged: MHD_NotifyConnectionCallback = { context, mhd, slot, code in
        guard let context, let mhd, let slot else { return }
        let listening = Unmanaged<Listening>.fromOpaque(context).takeUnretainedValue()
        if code == .CONNECTION_NOTIFY_STARTED {
            let connection = ClientConnection(
                socket: shim_socket(mhd), address: ClientAddress(shim_client_address(mhd)))
            listening.connections.insert(connection)
            slot.pointee = Unmanaged.passRetained(connection).toOpaque()
        } else if let retained = slot.pointee {
            slot.pointee = nil
            let connection = Unmanaged<ClientConnection>.fromOpaque(retained).takeRetainedValue()
            connection.markClosed()
            listening.connections.remove(connection)
        }
    }

    static let requestLine:
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?
        ) -> UnsafeMutableRawPointer? = { context, target, mhd in
            guard let context, let target, let mhd, let socketContext = shim_socket_context(mhd)
            else { return nil }
            let bytes = UnsafeRawBufferPointer(start: target, count: strlen(target))
            let transaction = Transaction(
                listening: Unmanaged<Listening>.fromOpaque(context).takeUnretainedValue(),
                connection: Unmanaged<ClientConnection>.fromOpaque(socketContext)
                    .takeUnretainedValue(),
                rawTarget: Array(bytes))
            return Unmanaged.passRetained(transaction).toOpaque()
        }

    static let request: MHD_AccessHandlerCallback = {
        _, mhd, _, method, _, upload, uploadCount, slot in
        guard let mhd, let method, let uploadCount, let retained = slot?.pointee
        else { return .NO }
        let transaction = Unmanaged<Transaction>.fromOpaque(retained).takeUnretainedValue()
        let goesOn: Bool
        if !transaction.hasBegun {
            goesOn = transaction.begin(
                method: String(cString: method), headers: headers(of: mhd),
                on: MHDConnection(handle: mhd))
        } else if uploadCount.pointee > 0 {
            goesOn = transaction.receive(
                .init(start: upload, count: uploadCount.pointee), on: MHDConnection(handle: mhd))
            uploadCount.pointee = 0  // All of it was taken.
        } else {
            goesOn = transaction.proceed(on: MHDConnection(handle: mhd))
        }
        return goesOn ? .YES : .NO
    }

    static let completed: MHD_RequestCompletedCallback = { _, _, slot, _ in
        guard let slot, let retained = slot.pointee else { return }
        slot.pointee = nil
        Unmanaged<Transaction>.fromOpaque(retained).takeRetainedValue().finish()
    }

    /// Leaves the text as it is: a decoded `%00` would end it, and `%2F` would be a slash.
    static let unescape:
        @convention(c) (
            UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<CChar>?
        ) -> Int = { _, _, text in text.map { strlen($0) } ?? 0 }

    /// The fields are only valid during the callback, and a later look-up costs as much as a copy.
    private static func headers(of mhd: OpaquePointer) -> HeaderTable {
        var table = HeaderTable()
        withUnsafeMutablePointer(to: &table) { table in
            _ = MHD_get_connection_values_n(
                mhd, .HEADER_KIND,
                { context, _, name, nameCount, value, valueCount in
                    guard let context, let name else { return .YES }
                    context.assumingMemoryBound(to: HeaderTable.self).pointee.append(
                        name: UnsafeRawBufferPointer(start: name, count: nameCount),
                        value: UnsafeRawBufferPointer(start: value, count: valueCount))
                    return .YES
                }, UnsafeMutableRawPointer(table))
        }
        return table
    }
}
