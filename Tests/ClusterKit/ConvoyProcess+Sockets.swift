import Glibc
import Platform

extension ConvoyProcess {
    /// How many TCP connections this process has with `port` of loopback; those that only the kernel
    /// still knows do not count.
    public func connections(to port: UInt16) throws -> Int {
        guard let processID else { return 0 }
        let descriptors = "/proc/\(processID)/fd"
        // A descriptor may be closed between the list and the look.
        let own = Set(
            try FileSystem.list(descriptors).compactMap { target("\(descriptors)/\($0)") })
        let table = try kernelText("/proc/\(processID)/net/tcp")
        guard !own.isEmpty, !table.isEmpty else {
            throw ClusterFailure("nothing to see of \(name)'s sockets")
        }
        return table.split(separator: "\n").dropFirst().count { line in
            // number, local address, remote address, state, …, inode at the tenth place
            let words = line.split(separator: " ")
            guard words.count > 9, let digits = words[2].split(separator: ":").last else {
                return false
            }
            return UInt16(digits, radix: 16) == port && own.contains("socket:[\(words[9])]")
        }
    }

    private func target(_ link: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        let count = readlink(link, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
