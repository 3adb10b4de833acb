import ClusterKit
import Testing

@Suite struct ThreadSanitizerTests {
    @Test func `reports are told from a node's own lines`() {
        let text = """
            {"level":"info","message":"serving"}
            ==================
            WARNING: ThreadSanitizer: data race (pid=7)
              Write of size 8 at 0x7b04 by thread T2:
            SUMMARY: ThreadSanitizer: data race in f()
            ==================
            {"level":"info","message":"stopping"}
            ==================
            WARNING: ThreadSanitizer: lock-order-inversion (pid=7)
            """
        let reports = ThreadSanitizer.reports(in: text)
        #expect(reports.count == 2)
        #expect(reports.first?.hasSuffix("SUMMARY: ThreadSanitizer: data race in f()") == true)
        #expect(reports.last == "WARNING: ThreadSanitizer: lock-order-inversion (pid=7)")
        #expect(ThreadSanitizer.reports(in: "==================\nserving").isEmpty)
    }
}
