import HTTPServer

/// Finds the operation of a path.
///
/// A tree of segments: a literal goes before a parameter, and where it leads nowhere the parameter
/// is tried.
public struct Router: Sendable {
    let routes: [Route]
    private let root: Tree

    enum Resolution: Sendable {
        /// With the values of its template's parameters.
        case found(Route, [(name: String, value: String)])
        /// The path exists, with these methods.
        case methodNotAllowed([String])
        case notFound
    }

    private struct Tree: Sendable {
        var literals: [String: Tree] = [:]
        /// At most one: none of our paths needs two.
        var parameter: [Tree] = []
        /// By method.
        var routes: [HTTPMethod: Int] = [:]
        /// Of a template that takes the rest of the path here.
        var restRoutes: [HTTPMethod: Int] = [:]

        mutating func insert(
            _ parts: ArraySlice<PathTemplate.Part>, _ method: HTTPMethod, _ route: Int
        ) {
            switch parts.first {
            case nil:
                routes[method] = route
            case .rest:
                restRoutes[method] = route
            case .literal(let name):
                literals[name, default: Tree()].insert(parts.dropFirst(), method, route)
            case .parameter:
                if parameter.isEmpty { parameter = [Tree()] }
                parameter[0].insert(parts.dropFirst(), method, route)
            }
        }

        /// The operations of a path, by method; empty when there is no such path.
        func find(
            _ segments: ArraySlice<String?>, _ values: inout [String]
        ) -> [HTTPMethod: Int] {
            guard let segment = segments.first else { return routes }
            if let name = segment, let next = literals[name] {
                let found = next.find(segments.dropFirst(), &values)
                if !found.isEmpty { return found }
            }
            if let next = parameter.first, let value = segment {
                values.append(value)
                let found = next.find(segments.dropFirst(), &values)
                if !found.isEmpty { return found }
                values.removeLast()
            }
            return restRoutes
        }
    }

    init(_ routes: [Route]) {
        self.routes = routes
        var root = Tree()
        for (index, route) in routes.enumerated() {
            root.insert(route.template.parts[...], route.method, index)
        }
        self.root = root
    }

    /// Every operation that the contract has: all but those between nodes.
    public static let operations: [(method: String, template: String)] =
        RouteTable.routes.filter { $0.scope != .peer }.map { ($0.method.name, $0.template.text) }

    /// HEAD is served wherever GET is.
    func resolve(_ method: HTTPMethod, _ segments: [[UInt8]]) -> Resolution {
        // A segment that is not UTF-8 can only be part of a key.
        let texts = segments.map { String(validating: $0, as: UTF8.self) }
        var values: [String] = []
        let found = root.find(texts[...], &values)
        guard !found.isEmpty else { return .notFound }
        if let index = found[method] ?? (method == .head ? found[.get] : nil),
            method != .head || routes[index].scope != .peer
        {
            let names = routes[index].template.parts.compactMap { part -> String? in
                if case .parameter(let name) = part { name } else { nil }
            }
            return .found(routes[index], Array(zip(names, values)).map { (name: $0, value: $1) })
        }
        return .methodNotAllowed(methods(found))
    }

    private func methods(_ found: [HTTPMethod: Int]) -> [String] {
        var names = Set(found.keys.map(\.name))
        if let get = found[.get], routes[get].scope != .peer { names.insert(HTTPMethod.head.name) }
        return names.sorted()
    }
}
