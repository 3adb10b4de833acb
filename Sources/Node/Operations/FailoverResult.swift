import JSON
import Topology

/// What a failover rested on and what it may have cost, as known when its reign was opened. Pure.
struct FailoverResult: Equatable, Sendable {
    /// A node that did not promise: what it alone had is set aside when it comes back.
    struct Silent: Equatable, Sendable {
        var node: String
        /// What it had set aside in its life before the failover, as last heard; nil: never heard.
        var divergedEntriesBefore: UInt64?
    }

    struct Tail: Equatable, Sendable {
        var node: String
        var entries: UInt64
    }

    var node: String
    var term: UInt32
    /// Nothing that was acknowledged can be missing.
    var isExclusive: Bool
    var promisers: [String]
    var promisesNeeded: Int
    var silent: [Silent]
    /// Whose entries were taken that the candidate lacked.
    var tail: Tail?
    /// What may have been lost, as last known before; nil when it is exclusive.
    var acceptedLoss: PossibleLoss?

    init(
        node: String, term: UInt32, isExclusive: Bool, promisers: [String], promisesNeeded: Int,
        silent: [Silent], tail: Tail?, acceptedLoss: PossibleLoss?
    ) {
        self.node = node
        self.term = term
        self.isExclusive = isExclusive
        self.promisers = promisers
        self.promisesNeeded = promisesNeeded
        self.silent = silent
        self.tail = tail
        self.acceptedLoss = acceptedLoss
    }

    /// Nil: it is none.
    init?(json: JSONValue) {
        guard let node = json["node"]?.stringValue,
            let term = json["term"]?.integerValue.flatMap(UInt32.init(exactly:)),
            let isExclusive = json["exclusive"]?.boolValue,
            let promisers = json["promisers"]?.arrayValue,
            let needed = json["promises_needed"]?.integerValue.flatMap(Int.init(exactly:)),
            let silent = json["silent"]?.arrayValue
        else { return nil }
        self.init(
            node: node, term: term, isExclusive: isExclusive,
            promisers: promisers.compactMap(\.stringValue), promisesNeeded: needed,
            silent: silent.compactMap { item in
                item["node"]?.stringValue.map {
                    Silent(
                        node: $0,
                        divergedEntriesBefore: item["diverged_entries_before"]?.unsigned)
                }
            },
            tail: json["tail"].flatMap { tail in
                guard let node = tail["node"]?.stringValue, let entries = tail["entries"]?.unsigned
                else { return nil }
                return Tail(node: node, entries: entries)
            }, acceptedLoss: json["accepted_loss"].flatMap(PossibleLoss.init(json:)))
    }

    var json: JSONValue {
        [
            "node": .string(node), "term": JSONValue(term), "exclusive": .bool(isExclusive),
            "promisers": .array(promisers.map { .string($0) }),
            "promises_needed": JSONValue(promisesNeeded),
            "silent": .array(
                silent.map {
                    [
                        "node": .string($0.node),
                        "diverged_entries_before": .orNull($0.divergedEntriesBefore),
                    ]
                }),
            "tail": tail.map {
                ["node": .string($0.node), "entries": JSONValue($0.entries)]
            } ?? .null,
            "accepted_loss": acceptedLoss?.json ?? .null,
        ]
    }
}

/// What a failover really cost, as far as the nodes that were silent have come back.
///
/// Whatever only such a node had, it sets aside and counts before it follows anybody. What two of
/// them set aside is the same history, so the greatest of them is what was lost.
struct FoundLoss: Equatable, Sendable {
    var entries: UInt64
    /// Whether every node that was silent has come back.
    var isComplete: Bool
    /// Who has come back.
    var nodes: [String]

    /// A node as it was last seen.
    struct Seen: Equatable, Sendable {
        var divergedEntries: UInt64
        /// It streams, in this term.
        var term: UInt32
    }

    /// Nil: none of them has come back yet, and there were some.
    ///
    /// - Parameters:
    ///   - result: The failover's.
    ///   - later: What each of the nodes had set aside when the next failover came that it was
    ///     silent in: what comes after that is the cost of that one.
    ///   - seen: What each node is now; only those that stream.
    init?(
        of result: FailoverResult, later: (String) -> UInt64?, seen: (String) -> Seen?
    ) {
        var most: UInt64 = 0
        var nodes: [String] = []
        for silent in result.silent {
            var now = later(silent.node)
            if now == nil, let seen = seen(silent.node), seen.term >= result.term {
                now = seen.divergedEntries
            }
            // Who never set anything aside had not done so before either, be it heard of or not. Less
            // than before: another directory came back under its name.
            guard let now, let base = silent.divergedEntriesBefore ?? (now == 0 ? 0 : nil),
                now >= base
            else { continue }
            nodes.append(silent.node)
            most = max(most, now - base)
        }
        guard !nodes.isEmpty || result.silent.isEmpty else { return nil }
        entries = most
        isComplete = nodes.count == result.silent.count
        self.nodes = nodes
    }

    var json: JSONValue {
        [
            "entries": JSONValue(entries), "complete": .bool(isComplete),
            "nodes": .array(nodes.map { .string($0) }),
        ]
    }
}

extension PossibleLoss {
    var json: JSONValue {
        [
            "entries": .orNull(entries), "bytes": .orNull(bytes),
            "seconds": .orNull(unheardSeconds), "at_least": .bool(isFloor),
        ]
    }

    /// Nil: it is none.
    init?(json: JSONValue) {
        guard json.objectValue != nil else { return nil }
        self.init(
            entries: json["entries"]?.unsigned, bytes: json["bytes"]?.unsigned,
            unheardSeconds: json["seconds"]?.numberValue)
    }
}
