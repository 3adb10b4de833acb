import CMicroHTTPD

/// libmicrohttpd's handle of a connection.
///
/// Valid from its first callback until the connection is closed. A suspended connection is not
/// closed, so whoever must resume it may keep the handle until then.
struct MHDConnection: @unchecked Sendable {
    // Sendable because other threads only pass it to `MHD_resume_connection`, which locks.
    let handle: OpaquePointer

    /// Only from one of the connection's own callbacks.
    func suspend() { MHD_suspend_connection(handle) }

    /// From any thread, once for each ``suspend()``.
    func resume() { MHD_resume_connection(handle) }
}
