import Platform
import Testing

@testable import HTTPServer
@testable import ManagementAPI

@Suite struct RouterTests {
    private let router = Router(RouteTable.routes)

    private func resolve(_ method: HTTPMethod, _ path: String) throws -> Router.Resolution {
        router.resolve(method, try Heads.head(method, path).segments)
    }

    private func template(_ method: HTTPMethod, _ path: String) throws -> String? {
        guard case .found(let route, _) = try resolve(method, path) else { return nil }
        return "\(route.method.name) \(route.template.text)"
    }

    @Test func `every operation is found at its own path`() throws {
        for route in RouteTable.routes {
            let parts = route.template.parts.map { part in
                switch part {
                case .literal(let text): text
                case .parameter(let name): "some-\(name)"
                case .rest: "a/b/c"
                }
            }
            let path = "/" + parts.joined(separator: "/")
            #expect(
                try template(route.method, path) == "\(route.method.name) \(route.template.text)")
        }
    }

    @Test func `no operation is there twice, and each knows its place`() {
        let names = RouteTable.routes.map { "\($0.method.name) \($0.template.text)" }
        #expect(Set(names).count == names.count)
        #expect(RouteTable.routes.map(\.number) == Array(RouteTable.routes.indices))
    }

    @Test func `the contract's document and the router have the same operations and scopes`() throws
    {
        let documented = try ContractFile.operations()
        #expect(documented.count > 30)
        let served = RouteTable.routes.filter { $0.scope != .peer }.map {
            "\($0.method.name) \($0.template.text) \($0.scope.rawValue)"
        }
        #expect(Set(documented).subtracting(served) == [], "documented, but not served")
        #expect(Set(served).subtracting(documented) == [], "served, but not documented")
        #expect(Router.operations.count == served.count)
    }

    @Test func `HEAD is served wherever GET is, except between nodes`() throws {
        for route in RouteTable.routes where route.method == .get && route.scope != .peer {
            let path =
                "/"
                + route.template.parts.map { part in
                    if case .literal(let text) = part { text } else { "x" }
                }.joined(separator: "/")
            let found = try template(.head, path)
            #expect(found?.hasSuffix(route.template.text) == true, "HEAD \(path)")
        }
        guard case .methodNotAllowed(["GET"]) = try resolve(.head, "/replication/log") else {
            return failed("HEAD would open a feed")
        }
    }

    @Test(arguments: [
        (HTTPMethod.options, "/v1/namespaces", ["GET", "HEAD", "POST"]),
        (.delete, "/livez", ["GET", "HEAD"]),
        (.get, "/v1/barriers", ["POST"]),
        (.post, "/v1/namespaces/a/keys/b", ["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
        (.other("get"), "/v1/sync", ["GET", "HEAD"]),
        (.get, "/v1/namespaces/batch", ["POST"]),
        (.patch, "/v1/topology", ["GET", "HEAD", "PUT"]),
    ])
    func `a method that a path does not have is refused with those it has`(
        method: HTTPMethod, path: String, allowed: [String]
    ) throws {
        guard case .methodNotAllowed(allowed) = try resolve(method, path) else {
            return failed("\(method.name) \(path)")
        }
        let problem = Problem.methodNotAllowed(allowed)
        #expect(problem.headers.first?.name == "Allow")
        #expect(problem.headers.first?.value == allowed.joined(separator: ", "))
    }

    @Test(arguments: [
        "/nope", "/v1", "/v1/", "/v1/namespaces/", "/v1/namespaces/a/", "/v1/namespaces/a/key",
        "/v1//namespaces", "//v1/namespaces", "/V1/namespaces", "/v1/topology/histor",
        "/v1/namespaces/%FF", "/replication", "/livez/",
    ])
    func `a path that is none is not found`(path: String) throws {
        let found = try template(.get, path)
        // An empty name is a name like any other here; the resource refuses it.
        #expect(found == nil || path.hasSuffix("/"), "\(path) is \(found ?? "")")
    }

    @Test(arguments: [
        ("a/b", "a/b"), ("a%2Fb", "a/b"), ("%00", "\u{0}"), ("a%00b", "a\u{0}b"), ("%2541", "%41"),
        ("a+b", "a+b"), ("a//", "a//"), ("", ""), ("keys", "keys"), ("%3F%26", "?&"),
    ])
    func `a key is all of the path behind keys, decoded once`(raw: String, key: String) throws {
        let head = try Heads.head(.get, "/v1/namespaces/ns/keys/\(raw)")
        guard case .found(let route, let values) = router.resolve(.get, head.segments) else {
            return failed("no route")
        }
        #expect(route.template.text == KeyResource.path)
        #expect(values.map(\.value) == ["ns"])
        let before = try #require(route.template.segmentsBeforeRest)
        #expect(head.path(afterSegments: before) == Array(key.utf8))
    }

    @Test func `a key need not be UTF-8`() throws {
        let head = try Heads.head(.put, "/v1/namespaces/ns/keys/%FF%FE/%80")
        guard case .found(let route, _) = router.resolve(.put, head.segments) else {
            return failed("no route")
        }
        let before = try #require(route.template.segmentsBeforeRest)
        #expect(head.path(afterSegments: before) == [0xFF, 0xFE, 0x2F, 0x80])
    }

    @Test func `where a literal leads nowhere the parameter is tried`() throws {
        guard case .found(let route, let values) = try resolve(.get, "/v1/namespaces/batch/keys/a")
        else { return failed("no route") }
        #expect(route.template.text == KeyResource.path)
        #expect(values.first?.value == "batch")
    }

    @Test func `the health daemon serves nothing but health`() throws {
        let health = Router(RouteTable.healthRoutes)
        let paths = Set(RouteTable.healthRoutes.map(\.template.text))
        #expect(paths == ["/livez", "/readyz", "/health/{kind}", "/metrics", "/version"])
        guard case .notFound = health.resolve(.get, try Heads.head(.get, "/v1/sync").segments)
        else {
            return failed("/v1/sync on the health daemon")
        }
    }
}

/// What openapi/convoy.yaml lists; read line by line, since its layout is ours.
enum ContractFile {
    /// `GET /livez public`, …
    static func operations() throws -> [String] {
        let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let bytes = try FileSystem.readAll("/\(here)/openapi/convoy.yaml")
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let methods: Set = ["get", "head", "put", "post", "patch", "delete"]
        var operations: [String] = []
        var path = ""
        var method = ""
        for line in lines {
            if line.hasPrefix("components:") { break }
            let text = line.drop { $0 == " " }
            let indent = line.count - text.count
            if indent == 2, text.hasPrefix("/") { path = String(text.dropLast()) }
            if indent == 4, methods.contains(String(text.dropLast())) {
                method = text.dropLast().uppercased()
            }
            if indent == 6, text.hasPrefix("x-convoy-scope: ") {
                operations.append("\(method) \(path) \(text.dropFirst("x-convoy-scope: ".count))")
            }
        }
        return operations
    }
}
