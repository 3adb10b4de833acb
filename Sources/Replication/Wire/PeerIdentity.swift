public import Log
import Platform
public import Topology

/// Who sends a request under `/replication/`, or answers it, and what it believes.
///
/// Travels as headers, in both directions:
///
///     Convoy-Lineage: 32 hexadecimal digits     Convoy-Reign: term.holder
///     Convoy-Node: number                       Convoy-Generation: number
///     Convoy-Node-Name: name                    Convoy-Session: id of the asker's session
///     Convoy-Claim: number of the node that the asker follows though it is not configured so
public struct PeerIdentity: Equatable, Sendable {
    /// Nil: a node without a history of its own that nobody has adopted yet.
    public var lineage: Lineage?
    /// Nil: a node that no cluster has numbered yet.
    public var number: NodeNumber?
    public var name: String
    /// The highest reign that the node knows of.
    public var reign: Reign?
    /// Of the newest topology document that it knows.
    public var generation: Generation?
    /// Of the replica's session that asks; one id for the log, the files and the acknowledgements.
    public var session: String?
    /// Whom a replica follows by its own decision, in the generation that it names here.
    public var claim: NodeNumber?

    public init(
        lineage: Lineage?, number: NodeNumber?, name: String, reign: Reign?,
        generation: Generation?, session: String? = nil, claim: NodeNumber? = nil
    ) {
        self.lineage = lineage
        self.number = number
        self.name = name
        self.reign = reign
        self.generation = generation
        self.session = session
        self.claim = claim
    }

    /// What the node knows as one comparable value; nil when a part is missing.
    public var version: TopologyVersion? {
        guard let reign, let generation else { return nil }
        return TopologyVersion(reign: reign, generation: generation)
    }

    public var headers: [(String, String)] {
        var headers = [(Name.nodeName, name)]
        if let lineage { headers.append((Name.lineage, lineage.hex)) }
        if let number { headers.append((Name.node, "\(number)")) }
        if let reign { headers.append((Name.reign, "\(reign)")) }
        if let generation { headers.append((Name.generation, "\(generation)")) }
        if let session { headers.append((Name.session, session)) }
        if let claim { headers.append((Name.claim, "\(claim)")) }
        return headers
    }

    /// Nil when a header is there but cannot be read, or the name is missing or no node's name.
    public init?(header: (String) -> String?) {
        guard let name = header(Name.nodeName), NodeName(name) != nil else { return nil }
        self.init(lineage: nil, number: nil, name: name, reign: nil, generation: nil)
        if let text = header(Name.lineage) {
            guard let lineage = Lineage(hex: text) else { return nil }
            self.lineage = lineage
        }
        if let text = header(Name.node) {
            guard let number = UInt16(decimal: text) else { return nil }
            self.number = NodeNumber(rawValue: number)
        }
        if let text = header(Name.reign) {
            guard let reign = Reign(text: text) else { return nil }
            self.reign = reign
        }
        if let text = header(Name.generation) {
            guard let generation = UInt64(decimal: text) else { return nil }
            self.generation = Generation(generation)
        }
        if let text = header(Name.claim) {
            guard let number = UInt16(decimal: text) else { return nil }
            claim = NodeNumber(rawValue: number)
        }
        if let text = header(Name.session) {
            guard PeerIdentity.isSessionID(text) else { return nil }
            session = text
        }
    }

    /// What a signature covers of these headers, as they came or go; a missing one is empty.
    public static func signedText(header: (String) -> String?) -> String {
        Name.all.map { header($0) ?? "" }.joined(separator: ",")
    }

    /// The same of headers that are about to go.
    public static func signedText(_ headers: [(String, String)]) -> String {
        signedText { name in headers.first { $0.0 == name }?.1 }
    }

    /// Session ids: 1 to 64 of letters, digits and `-`.
    static func isSessionID(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    enum Name {
        static let lineage = "Convoy-Lineage"
        static let node = "Convoy-Node"
        static let nodeName = "Convoy-Node-Name"
        static let reign = "Convoy-Reign"
        static let generation = "Convoy-Generation"
        static let session = "Convoy-Session"
        static let claim = "Convoy-Claim"

        /// In the order in which they are signed: never change it.
        static let all = [lineage, node, nodeName, reign, generation, session, claim]
    }
}

extension TopologyDocument {
    /// Whether the peer is a replica of `source`: configured so, or by a claim of its own that no
    /// newer document has ended.
    func isFollower(_ peer: PeerIdentity, of source: NodeNumber) -> Bool {
        guard let number = peer.number, let upstream = upstream(of: number) else { return false }
        return upstream == source || (peer.claim == source && peer.version == version)
    }
}
