import Platform

extension MetricsText {
    /// What runs, and what it uses, under the names that every Prometheus client gives them.
    mutating func addProcess(_ usage: ProcessUsage) {
        gauge(
            "process_resident_memory_bytes", "Resident memory size in bytes.",
            usage.residentBytes.map { Double($0) })
        gauge(
            "process_virtual_memory_bytes", "Virtual memory size in bytes.",
            usage.virtualBytes.map { Double($0) })
        gauge(
            "process_open_fds", "Number of open file descriptors.",
            usage.openDescriptors.map { Double($0) })
        gauge(
            "process_max_fds", "Maximum number of open file descriptors.",
            usage.descriptorsMax.map { Double($0) })
        gauge("process_threads", "Number of threads.", usage.threads.map { Double($0) })
        begin(
            "process_cpu_seconds_total", "counter",
            "Total user and system CPU time spent in seconds."
        )
        add("process_cpu_seconds_total", [], usage.processorSeconds)
        gauge(
            "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
            usage.startedAt)
    }
}
