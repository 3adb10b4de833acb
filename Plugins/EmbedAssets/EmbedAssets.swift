import Foundation
import PackagePlugin

/// Embeds the status page and the OpenAPI document into the target `Assets`.
@main struct EmbedAssets: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let root = context.package.directoryURL
        let page = root.appending(path: "public")
        let names = try FileManager.default.contentsOfDirectory(atPath: page.path).sorted()
        let inputs =
            names.map { page.appending(path: $0) } + [root.appending(path: "openapi/convoy.yaml")]
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedAssets.swift")
        return [
            .buildCommand(
                displayName: "Embedding the page and the OpenAPI document",
                executable: try context.tool(named: "AssetCompiler").url,
                arguments: [output.path] + inputs.map(\.path), inputFiles: inputs,
                outputFiles: [output])
        ]
    }
}
