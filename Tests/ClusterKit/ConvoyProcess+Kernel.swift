import Glibc
import Platform

/// What the kernel knows of a node.
extension ConvoyProcess {
    /// How many TCP connections have one end in this process and the other in `other`.
    ///
    /// Those that go through a proxy are not among them.
    public func connections(with other: ConvoyProcess) throws -> Int {
        let (own, others) = (try socketNumbers(), try other.socketNumbers())
        let all = try TCPConnection.all()
        let ends = Set(
            all.filter { others.contains($0.socketNumber) }.map { [$0.local, $0.remote] })
        return all.count {
            own.contains($0.socketNumber) && ends.contains([$0.remote, $0.local])
        }
    }

    /// Of memory, in bytes, that this process has in use now.
    public func residentBytes() throws -> Int {
        guard let processID else { throw ClusterFailure("\(name) does not run") }
        let fields = try kernelText("/proc/\(processID)/statm").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else {
            throw ClusterFailure("the kernel does not say how large \(name) is")
        }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Whether every thread is stopped, or the process is gone.
    var isAtRest: Bool {
        guard let processID, let threads = try? FileSystem.list("/proc/\(processID)/task") else {
            return true
        }
        return threads.allSatisfy { thread in
            // A thread that has ended meanwhile has no such file.
            guard let text = try? kernelText("/proc/\(processID)/task/\(thread)/stat"),
                let end = text.lastIndex(of: ")")
            else { return true }
            return ["T", "t"].contains(text[end...].dropFirst(2).prefix(1))
        }
    }

    private func socketNumbers() throws -> Set<Substring> {
        guard let processID else { return [] }
        var numbers: Set<Substring> = []
        for name in try FileSystem.list("/proc/\(processID)/fd") {
            var buffer = [CChar](repeating: 0, count: 64)
            // A descriptor that was closed meanwhile is no socket any more.
            let count = readlink("/proc/\(processID)/fd/\(name)", &buffer, buffer.count)
            let bytes = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
            let target = String(decoding: bytes, as: UTF8.self)
            guard target.hasPrefix("socket:["), target.hasSuffix("]") else { continue }
            numbers.insert(target.dropFirst("socket:[".count).dropLast())
        }
        return numbers
    }
}

/// A line of `/proc/net/tcp`.
private struct TCPConnection {
    let local: Substring
    let remote: Substring
    let socketNumber: Substring

    static func all() throws -> [TCPConnection] {
        try kernelText("/proc/net/tcp").split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9 else { return nil }
            return TCPConnection(local: fields[1], remote: fields[2], socketNumber: fields[9])
        }
    }
}

/// Files of `/proc` have no size to read by; in those of sockets is what all tests have left behind.
func kernelText(_ path: String) throws -> String {
    String(decoding: try File(path, .read).read(at: 0, count: 32 << 20), as: UTF8.self)
}
