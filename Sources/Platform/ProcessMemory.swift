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
}
