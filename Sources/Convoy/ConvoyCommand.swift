import ArgumentParser

@main struct ConvoyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convoy",
        abstract: "A persisted, replicated, multi-tenant key-value store managed over HTTP.",
        discussion: """
            Start one node:      convoy serve
            Look at it:          curl -s http://127.0.0.1:7070/v1/sync | jq .
            Or in a browser:     http://127.0.0.1:7070/
            Start a second one:  convoy serve --name n2 --data data-n2 --http 127.0.0.1:7071
            Take it in:          curl -s http://127.0.0.1:7070/v1/nodes --json '{"address":"http://127.0.0.1:7071"}'
            """,
        version: "convoy \(Version.number)",
        subcommands: [
            Serve.self, TokenCommand.self, Check.self, Diverged.self, Version.self,
        ])
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    static let number = "0.1.0"

    func run() { print("convoy \(Version.number)") }
}
