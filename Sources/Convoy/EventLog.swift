import Foundation
import Logging
import Node
import Platform

/// One line an event on standard error: time, level, a constant message, then what belongs to it.
struct EventLog: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = "\(UnixMilliseconds.now().rfc3339) \(event.level) \(event.message)"
        let all = metadata.merging(event.metadata ?? [:]) { _, own in own }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(EventLog.quoted("\(value)"))"
        }
        // One write, so that lines of several threads do not mix.
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    /// A value on one line, quoted when it would otherwise run into the next.
    private static func quoted(_ value: String) -> String {
        let isPlain = value.unicodeScalars.allSatisfy {
            $0.value > 0x20 && $0.value < 0x7F && $0 != "\"" && $0 != "="
        }
        if isPlain && !value.isEmpty { return value }
        var text = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            default:
                if scalar.value < 0x20 {
                    text += "\\u{\(String(scalar.value, radix: 16))}"
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        return text + "\""
    }

    /// What a node logs with.
    static func sink(_ logger: Logger)
        -> @Sendable (NodeOptions.LogLevel, String, [String: String])
        -> Void
    {
        { level, message, metadata in
            let level: Logger.Level =
                switch level {
                case .info: .info
                case .warning: .warning
                case .error: .error
                }
            logger.log(
                level: level, "\(message)", metadata: metadata.mapValues { .string($0) })
        }
    }
}
