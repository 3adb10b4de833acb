import ArgumentParser
import Engine
import Log
import Platform
import Replication

struct Diverged: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List entries that were taken out of a node's history.",
        discussion: """
            When histories part, for example because a former primary had entries that nobody else had, \
            they are kept in the directory diverged/ of the node's data before a full sync replaces them. \
            This lists them: entry, time, operation, namespace, key, size. Values are shown on request.
            """)

    @Argument(help: "The data directory.")
    var directory: String

    @Flag(help: "Show values, too, as text.")
    var values = false

    func run() throws {
        let path = directory + "/diverged"
        guard FileSystem.exists(path) else {
            throw ValidationError("\(directory) is no node's data directory: it has no diverged/")
        }
        let names = try FileSystem.list(path)
        for name in names {
            guard name.hasSuffix(".entries") else {
                let size = try FileSystem.size("\(path)/\(name)")
                print("\(name): \(size) bytes of a torn record")
                continue
            }
            try show(name, try FileSystem.readAll("\(path)/\(name)"))
        }
        if names.isEmpty { print("nothing has been taken out of this node's history") }
    }

    private func show(_ name: String, _ bytes: [UInt8]) throws {
        guard var tail = DivergedTail.read(bytes) else {
            print("\(name): damaged, it cannot be read")
            return
        }
        print("\(name): lineage \(tail.lineage.hex), after entry \(tail.after.index)")
        do {
            while let frame = try tail.records.next() {
                guard case .record(let record) = frame else { continue }
                show(record)
            }
        } catch {
            print("  the rest is damaged: \(error)")
        }
    }

    private func show(_ record: Record) {
        let head = "  \(record.position.index) \(record.time.rfc3339) reign \(record.reign)"
        guard let writes = record.describedWrites else {
            print("\(head): cannot be read")
            return
        }
        if writes.isEmpty { print("\(head): \(record.kind)") }
        for write in writes {
            var line = "\(head): \(write.operation.rawValue)"
            if let namespace = write.namespace { line += " namespace \(namespace.rawValue)" }
            if let key = write.key { line += " key \(Diverged.shown(key))" }
            if let value = write.value {
                line += " \(value.count) bytes"
                if values { line += " \(Diverged.shown(value))" }
            }
            print(line)
        }
    }

    /// Text between quotes where it is printable, else hexadecimal digits.
    private static func shown(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self),
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        {
            return "\"\(text)\""
        }
        return "0x" + Hex.encode(bytes)
    }
}
