public import JSON
public import Platform
import Topology

/// What is wrong with the cluster or under way in it, in sentences for people, the worst first; or that all
/// is well. `GET /v1/sync` tells it, and the page shows it as it is told: these sentences are nowhere else.
public struct Verdict: Equatable, Sendable {
    /// Never empty. Only the first can be of the level ``Level/ok``; notes come last.
    public let items: [Item]

    public struct Item: Equatable, Sendable {
        public var level: Level
        /// Stays the same while only numbers in the text move.
        public var code: String
        /// A sentence, or two: the thing, for how long, and what to do.
        public var text: String
        /// The node that it is about.
        public var node: String?
        /// The namespace that it is about, or one of them.
        public var namespace: String?
        /// Since when it has been so; nil: not known, or not of one moment.
        public var since: UnixMilliseconds?
    }

    /// The worst first. The raw values are the words of the API.
    public enum Level: String, Comparable, Sendable {
        case bad, warn, info, ok
        /// As somebody wanted it, or over, and worth knowing.
        case note

        private var order: Int {
            switch self {
            case .bad: 0
            case .warn: 1
            case .info: 2
            case .ok: 3
            case .note: 4
            }
        }

        public static func < (a: Level, b: Level) -> Bool { a.order < b.order }
    }

    public var worst: Item { items[0] }

    public var json: JSONValue { .array(items.map(\.json)) }
}

extension Verdict.Item {
    fileprivate var json: JSONValue {
        [
            "level": .string(level.rawValue), "code": .string(code), "text": .string(text),
            "node": .orNull(node), "namespace": .orNull(namespace),
            "since": .orNull(since?.rfc3339),
        ]
    }
}

extension Node {
    /// Of the cluster, as this node knows it. Published values only.
    public func verdict(_ sync: SyncReport) -> Verdict {
        Verdict(sync, drift: driftReport().items, own: name.rawValue, now: .now())
    }
}
