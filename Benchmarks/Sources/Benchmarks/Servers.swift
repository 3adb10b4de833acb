import Foundation
import HTTPClient
import JSON

/// A node of Convoy that a benchmark runs.
final class ConvoyNode {
    let url: String
    let dataDirectory: URL
    private let child: Child
    private let fetcher = HTTPFetcher(userAgent: "convoy-bench")

    init(name: String, in scratch: Scratch, _ flags: [String] = []) throws {
        guard let binary = ProcessInfo.processInfo.environment["CONVOY_BINARY"] else {
            throw BenchmarkError("CONVOY_BINARY names no binary: run `make bench`")
        }
        let port = try freePort()
        url = "http://127.0.0.1:\(port)"
        dataDirectory = scratch.url.appending(path: name)
        child = try Child(
            [
                binary, "serve", "--name", name, "--data", dataDirectory.path, "--http",
                "127.0.0.1:\(port)",
            ] + flags)
        try wait(20) { (try? request("GET", "/readyz").status) == 200 }
    }

    func stop() { child.stop() }

    func request(
        _ method: String, _ path: String, _ body: JSONValue? = nil, bytes: [UInt8]? = nil,
        isJSON: Bool = false
    ) throws -> FetchResponse {
        var headers: [(String, String)] = []
        if body != nil || isJSON { headers.append(("Content-Type", "application/json")) }
        return try fetcher.fetch(
            FetchRequest(
                method: method, url: url + path, headers: headers,
                body: body?.serialized() ?? bytes,
                deadlines: FetchDeadlines(idle: .seconds(120), total: .seconds(180)),
                answerBytesMax: 64 << 20))
    }

    func json(_ path: String) throws -> JSONValue {
        try JSONValue(parsing: request("GET", path).body)
    }

    func wait(_ secondsMax: Double, _ holds: () -> Bool) throws {
        let deadline = Date().addingTimeInterval(secondsMax)
        while !holds() {
            guard Date() < deadline else { throw BenchmarkError("not reached in \(secondsMax) s") }
            usleep(10_000)
        }
    }
}

/// nginx with a folder, as the yardstick.
final class Nginx {
    let url: String
    private let child: Child

    init(serving root: URL, in scratch: Scratch) throws {
        let port = try freePort()
        url = "http://127.0.0.1:\(port)"
        let configuration = scratch.url.appending(path: "nginx.conf")
        let text = """
            worker_processes 2;
            daemon off;
            user root;
            pid \(scratch.url.path)/nginx.pid;
            error_log \(scratch.url.path)/nginx-error.log;
            events { worker_connections 1024; }
            http {
                access_log off;
                sendfile on;
                keepalive_requests 1000000000;
                client_body_temp_path \(scratch.url.path)/body;
                proxy_temp_path \(scratch.url.path)/proxy;
                fastcgi_temp_path \(scratch.url.path)/fastcgi;
                uwsgi_temp_path \(scratch.url.path)/uwsgi;
                scgi_temp_path \(scratch.url.path)/scgi;
                server { listen 127.0.0.1:\(port); root \(root.path); }
            }
            """
        try text.write(to: configuration, atomically: true, encoding: .utf8)
        child = try Child(["nginx", "-c", configuration.path])
        usleep(500_000)
    }

    func stop() { child.stop() }
}
