import ClusterKit
import Glibc
import JSON
import Platform
import Testing

/// HTTPS for clients and between nodes, with certificates of an authority of the test's own.
@Suite(.cluster) struct TLSTests {
    /// An authority, and certificates of it for this machine.
    private struct Authority {
        let directory: String
        var file: String { "\(directory)/ca.pem" }

        init(in directory: String) throws {
            self.directory = directory
            try FileSystem.createDirectory(directory)
            try openssl(
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                "/CN=an authority", "-keyout", "\(directory)/ca.key", "-out", file)
        }

        /// Answers the paths of a certificate and its key.
        func issue(_ name: String, for host: String = "IP:127.0.0.1") throws -> (String, String) {
            let (certificate, key, request, extra) = (
                "\(directory)/\(name).pem", "\(directory)/\(name).key", "\(directory)/\(name).csr",
                "\(directory)/\(name).ext"
            )
            try FileSystem.replace(extra, with: Array("subjectAltName=\(host)\n".utf8))
            try openssl(
                "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=\(name)", "-keyout", key,
                "-out", request)
            try openssl(
                "x509", "-req", "-in", request, "-CA", file, "-CAkey", "\(directory)/ca.key",
                "-CAcreateserial", "-days", "1", "-extfile", extra, "-out", certificate)
            return (certificate, key)
        }

        private func openssl(_ arguments: String...) throws {
            let run = try CommandRun("/usr/bin/openssl", arguments)
            guard run.exitCode == 0 else { throw ClusterFailure(run.errors) }
        }
    }

    private func node(
        _ cluster: TestCluster, _ certificate: (String, String), _ authority: Authority,
        verifies: Bool = true
    ) throws -> ConvoyProcess {
        let port = try FreePort.take()
        let node = try cluster.makeNode(port: port, address: "https://127.0.0.1:\(port)")
        node.setFlags([
            "--tls-certificate-file", certificate.0, "--tls-key-file", certificate.1,
            "--links-ca-file", authority.file,
        ])
        try node.start(until: .nothing)
        _ = try poll(within: .seconds(40), every: .milliseconds(50), for: "\(node.name) is ready") {
            let more = verifies ? "--fail" : "--insecure"
            return try curl(node, "/readyz", authority, more).exitCode == 0 ? true : nil
        }
        return node
    }

    private func curl(
        _ node: ConvoyProcess, _ path: String, _ authority: Authority, _ more: String...
    ) throws -> CommandRun {
        try CommandRun.curl(
            ["--fail", "--max-time", "80", "--cacert", authority.file] + more
                + [node.address + path], within: .seconds(90))
    }

    @Test(.timeLimit(.minutes(4)))
    func `nodes follow each other over TLS, when they can prove who they are`() throws {
        let cluster = try TestCluster(empty: [])
        let authority = try Authority(in: cluster.scratch.path(for: "authority"))
        let first = try node(cluster, try authority.issue("first"), authority)
        let second = try node(cluster, try authority.issue("second"), authority)
        // Refused, with nothing done, when the second takes more than three seconds to answer.
        try poll(within: .seconds(30), for: "the second is taken in") {
            let added = try curl(
                first, "/v1/nodes", authority, "--json", "{\"address\":\"\(second.address)\"}")
            return added.exitCode == 0 ? true : nil
        }
        let sync = try curl(first, "/v1/sync?wait=in_sync%3E%3D1&timeout=60s", authority)
        #expect(sync.exitCode == 0, "\(sync.errors) \(second.errorsTail())")
        let put = try curl(first, Path.key("k"), authority, "-X", "PUT", "--data-binary", "v")
        #expect(put.exitCode == 0, "\(put.errors)")
        _ = try poll(within: .seconds(30), every: .milliseconds(50), for: "it arrives") {
            try curl(second, Path.key("k"), authority).text == "v" ? true : nil
        }

        // The name in the certificate counts, and the authority.
        let impostor = try node(
            cluster, try authority.issue("impostor", for: "DNS:elsewhere.example"), authority,
            verifies: false)
        let refused = try CommandRun.curl([
            "--max-time", "25", "--cacert", authority.file, "--json",
            "{\"address\":\"\(impostor.address)\"}", first.address + "/v1/nodes",
        ])
        #expect(refused.text.contains("node-unreachable"), "\(refused.text)")
        // Plain HTTP gets nothing, and neither does an old version of TLS.
        let plain = try CommandRun.curl([
            "--max-time", "5", "http://127.0.0.1:\(first.port)/livez",
        ])
        #expect(plain.exitCode != 0)
        let old = try curl(first, "/livez", authority, "--tls-max", "1.1")
        #expect(old.exitCode != 0)
        let new = try curl(first, "/livez", authority, "--tlsv1.2")
        #expect(new.exitCode == 0)
    }

    @Test(.timeLimit(.minutes(3)))
    func `a certificate is replaced while a transfer goes on`() throws {
        let cluster = try TestCluster(empty: [])
        let authority = try Authority(in: cluster.scratch.path(for: "authority"))
        let (certificate, key) = try authority.issue("node")
        let node = try node(cluster, (certificate, key), authority)
        func serial() throws -> String {
            let run = try CommandRun(
                "/usr/bin/openssl",
                ["s_client", "-connect", "127.0.0.1:\(node.port)", "-showcerts"])
            return run.text.split(separator: "\n").first { $0.contains("s:CN = ") }
                .map(String.init) ?? run.text
        }
        #expect(try serial().contains("CN = node"))
        // It waits on a connection that stands before and after.
        let waiting = Monitor<CommandRun?>(nil)
        _ = WorkerThread(name: "waiting") {
            let run = try? curl(
                node, "/v1/nodes/self?wait=applied:2&timeout=75s", authority)
            waiting.update { $0 = run }
        }
        try poll(within: .seconds(30), for: "it waits") {
            let metrics = Exposition(try curl(node, "/metrics", authority).text)
            return metrics.value("convoy_waits") == 1 ? true : nil
        }
        let (other, otherKey) = try authority.issue("renewed")
        try FileSystem.replace(certificate, with: try FileSystem.readAll(other))
        // The key does not fit yet: nothing changes.
        node.send(SIGHUP)
        rest(.milliseconds(500))
        #expect(try serial().contains("CN = node"))
        try FileSystem.replace(key, with: try FileSystem.readAll(otherKey))
        node.send(SIGHUP)
        _ = try poll(within: .seconds(30), every: .milliseconds(100), for: "the new one") {
            try serial().contains("CN = renewed") ? true : nil
        }
        #expect(waiting.withLock { $0 } == nil, "it still waits")
        for number in 0..<5 {
            let put = try curl(
                node, Path.key("k\(number)"), authority, "-X", "PUT", "--data-binary", "v")
            #expect(put.exitCode == 0, "\(put.errors)")
            node.send(SIGHUP)
        }
        let answer = try #require(waiting.wait(until: .now() + .seconds(20)) { $0 })
        #expect(answer.exitCode == 0, "\(answer.errors)")
        #expect(answer.text.contains("\"position\""))
        try node.stop()
    }

    @Test(.timeLimit(.minutes(3)))
    func `a certificate that is none stops the start with what is wrong`() throws {
        let scratch = try ScratchDirectory("tls")
        let junk = "\(scratch.path)/junk.pem"
        try FileSystem.replace(junk, with: Array("no certificate".utf8))
        let program = try ConvoyBinary.path()
        for (flags, wanted) in [
            (["--tls-certificate-file", junk], "come together"),
            (["--tls-certificate-file", junk, "--tls-key-file", junk], "no certificate"),
            (
                ["--tls-certificate-file", "\(junk).none", "--tls-key-file", junk],
                "No such file"
            ), (["--links-ca-file", "\(junk).none"], "no such file"),
        ] {
            let run = try CommandRun(
                program,
                ["serve", "--data", "\(scratch.path)/data", "--http", "127.0.0.1:0"] + flags)
            #expect(run.exitCode != 0)
            #expect(run.errors.contains(wanted), "\(run.errors)")
        }
    }
}
