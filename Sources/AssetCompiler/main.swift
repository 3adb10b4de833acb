// Writes a Swift file that holds other files as string literals, so that the program is one binary.
//
// Arguments: the file to write, then the files to embed. A `.yaml` file is embedded as JSON, under
// the name `openapi.json`.

import Foundation
import Yams

func literal(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\\": escaped += "\\\\"
        case "\"": escaped += "\\\""
        case "\n": escaped += "\\n"
        case "\r": escaped += "\\r"
        case "\t": escaped += "\\t"
        case "\0": escaped += "\\0"
        default: escaped.unicodeScalars.append(scalar)
        }
    }
    return "\"\(escaped)\""
}

func embedded(_ path: String) throws -> (name: String, text: String) {
    let url = URL(fileURLWithPath: path)
    let text = try String(contentsOf: url, encoding: .utf8)
    guard url.pathExtension == "yaml" else { return (url.lastPathComponent, text) }
    let document = try Yams.load(yaml: text) ?? [:]
    let json = try JSONSerialization.data(
        withJSONObject: document, options: [.sortedKeys, .withoutEscapingSlashes])
    return ("openapi.json", String(decoding: json, as: UTF8.self))
}

let arguments = CommandLine.arguments.dropFirst()
guard let output = arguments.first else { fatalError("usage: AssetCompiler OUTPUT FILE...") }
var lines = ["enum EmbeddedAssets {", "    static let all: [Asset] = ["]
for path in arguments.dropFirst().sorted() {
    let (name, text) = try embedded(path)
    lines.append("        Asset(name: \(literal(name)), text: \(literal(text))),")
}
lines += ["    ]", "}", ""]
try lines.joined(separator: "\n").write(toFile: output, atomically: true, encoding: .utf8)
