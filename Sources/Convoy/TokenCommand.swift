import Access
import ArgumentParser
import Engine
import Foundation
import Node
import Platform
import Topology

struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make the first admin token, offline.",
        subcommands: [TokenCreate.self])
}

struct TokenCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make an admin token in the data of a node that does not run, and print it.",
        discussion: """
            From then on nobody comes in without a token, and the node may serve other addresses than \
            loopback. Every further token is made over HTTP: POST /v1/tokens, or, for one namespace, \
            POST /v1/namespaces/{ns}/tokens.

            The token is printed once and stored nowhere: keep it. An empty directory becomes a \
            cluster of one node. In a cluster of several, run it where the primary was.
            """)

    @Flag(help: "An admin token; tokens of a namespace are made over HTTP.")
    var admin = false

    @Option(help: "Where the node keeps its data. (default: convoy-data)")
    var data: String?

    @Option(help: "The node's name, for an empty directory. (default: n1)")
    var name: String?

    @Option(
        help: """
            What it may do: cluster:read, topology:write, topology:force, namespaces:write, \
            tokens:admin. Repeatable. (default: all)
            """)
    var scope: [String] = []

    @Option(help: "What it is for, as lists of tokens show it.")
    var description: String?

    @Option(help: "After so many seconds it is good for nothing. (default: never)")
    var expiresInSeconds: UInt64?

    @Option(help: "A file with the secret that the nodes of a cluster of several share.")
    var clusterSecretFile: String?

    func run() throws {
        guard admin else {
            throw ValidationError(
                "give --admin; a namespace's tokens are made with POST /v1/namespaces/{ns}/tokens")
        }
        let environment = Environment()
        guard let address = NodeAddress("http://127.0.0.1:7070") else {
            fatalError("it is an address")
        }
        var options = NodeOptions(
            dataPath: Settings.absolute(data ?? environment["DATA"] ?? "convoy-data"),
            address: address)
        options.name = try Settings.name(name ?? environment["NAME"])
        options.secret = try Settings.secret(file: clusterSecretFile, environment)
        options.insecureLinks = environment["INSECURE_LINKS"] == "1"
        let token = Token(kind: .admin)
        let seed = TokenSeed(
            lookupID: token.lookupID, algorithm: Token.algorithm, hash: token.hash)
        let change = CreateToken(
            .cluster, seed, scopes: try scopes(), description: description,
            lifetime: expiresInSeconds.map { .seconds($0) })
        do {
            _ = try Node.commitOffline(change, options)
        } catch {
            throw StartFailure(description: "\(error)")
        }
        print(token.text)
    }

    private func scopes() throws -> TokenScopes {
        guard !scope.isEmpty else { return .allOfCluster }
        var scopes: TokenScopes = []
        for word in scope {
            guard let one = TokenScopes(word: word), TokenScopes.allOfCluster.contains(one) else {
                let words = TokenScopes.allOfCluster.words.joined(separator: ", ")
                throw ValidationError("--scope '\(word)': one of \(words)")
            }
            scopes.insert(one)
        }
        return scopes
    }

    func validate() throws {
        if let description, !(1...256).contains(description.unicodeScalars.count) {
            throw ValidationError("--description: 1 to 256 characters")
        }
        if let expiresInSeconds, !(1...315_360_000).contains(expiresInSeconds) {
            throw ValidationError("--expires-in-seconds: 1 to 315360000")
        }
    }
}
