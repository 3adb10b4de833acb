import CPlatform
import Glibc

/// How the process gets its memory from the operating system.
public enum ProcessMemory {
    /// More of them contend less, and keep more of what was freed for themselves.
    private static let arenasPerCore = 2

    /// Has the C library allocate from a few arenas. Its default, eight for each core, lets each thread that
    /// makes much for a moment keep the space of that: a node on two cores that creates 100,000 namespaces
    /// has then some 70 MB more. Call it before threads begin; `MALLOC_ARENA_MAX` in the environment goes first.
    public static func limitArenas() {
        guard getenv("MALLOC_ARENA_MAX") == nil else { return }
        let cores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        shim_limit_malloc_arenas(Int32(clamping: max(2, arenasPerCore * cores)))
    }

    /// Gives memory back that was freed and that the C library keeps, when that is more than `idleBytesMax`:
    /// after a burst of long keys it can be several times what is in use. Other threads' allocations may wait
    /// for some milliseconds meanwhile.
    public static func giveBack(idleBytesMax: UInt64) {
        guard let resident = ProcessUsage.residentBytesNow else { return }
        let inUse = UInt64(shim_malloc_bytes_in_use())
        guard resident > inUse, resident - inUse > idleBytesMax else { return }
        shim_malloc_trim()
    }
}
