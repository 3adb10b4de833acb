import Glibc

/// What the operating system says of this process, at one moment. Nil is what it does not say.
public struct ProcessUsage: Sendable {
    public var residentBytes: UInt64?
    public var virtualBytes: UInt64?
    public var openDescriptors: Int?
    /// As many can be open at most.
    public var descriptorsMax: UInt64?
    /// In user and in system mode, of all threads.
    public var processorSeconds: Double
    /// Seconds since 1970.
    public var startedAt: Double?
    public var threads: Int?

    /// Reads procfs, which never waits for a disk.
    public static func now() -> ProcessUsage {
        var times = rusage()
        // Cannot fail for the own process.
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &times)
        var usage = ProcessUsage(
            processorSeconds: seconds(times.ru_utime) + seconds(times.ru_stime))
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            usage.descriptorsMax = UInt64(limit.rlim_cur)
        }
        // Missing where there is no procfs: then it is not known.
        usage.openDescriptors = (try? FileSystem.list("/proc/self/fd")).map { $0.count - 1 }
        usage.readStatus()
        return usage
    }

    /// Nil where the system does not say.
    static var residentBytesNow: UInt64? {
        guard let file = try? File("/proc/self/statm", .read),
            let bytes = try? file.read(at: 0, count: 128)
        else { return nil }
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = UInt64(fields[1]) else { return nil }
        return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1e6
    }

    /// Of the fields of `/proc/self/stat`, those behind the name, which may hold spaces itself.
    private mutating func readStatus() {
        guard let file = try? File("/proc/self/stat", .read),
            let bytes = try? file.read(at: 0, count: 1024),
            let name = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return }
        let fields = String(decoding: bytes[(name + 1)...], as: UTF8.self).split(separator: " ")
        // Counted from 1 in proc(5), where the field behind the name is the third.
        func field(_ number: Int) -> UInt64? {
            fields.indices.contains(number - 3) ? UInt64(fields[number - 3]) : nil
        }
        threads = field(20).map { Int($0) }
        virtualBytes = field(23)
        residentBytes = field(24).map { $0 * UInt64(sysconf(Int32(_SC_PAGESIZE))) }
        guard let ticks = field(22) else { return }
        var (wall, sinceBoot) = (Glibc.timespec(), Glibc.timespec())
        clock_gettime(CLOCK_REALTIME, &wall)
        clock_gettime(CLOCK_BOOTTIME, &sinceBoot)
        let age =
            Double(sinceBoot.tv_sec) + Double(sinceBoot.tv_nsec) / 1e9
            - Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
        startedAt = Double(wall.tv_sec) + Double(wall.tv_nsec) / 1e9 - age
    }
}
