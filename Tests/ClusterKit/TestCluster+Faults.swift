import Platform

/// Nodes that others reach through a network with faults.
extension TestCluster {
    /// A node behind a proxy of its own, not started yet. The test's own client goes past the proxy.
    public func makeNodeBehindProxy(
        flags: [String] = []
    ) throws -> (node: ConvoyProcess, proxy: FaultyProxy) {
        let port = try FreePort.take()
        let proxy = try FaultyProxy(to: port)
        return (try makeNode(flags: flags, port: port, address: proxy.address), proxy)
    }
}

extension ConvoyProcess {
    /// The files with entries that were taken out of its history.
    public func divergedFiles() throws -> [String] {
        try FileSystem.list("\(dataPath)/diverged")
    }
}
