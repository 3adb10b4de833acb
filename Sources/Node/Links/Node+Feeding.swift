import Access
import Engine
import HTTPClient
import Log
import Platform
import Replication
import Topology

extension Node {
    /// What the source's end of replication needs of the node.
    static func sourceEnvironment(
        _ state: NodeState, _ waits: WaitHub, _ peers: PeerWatches, _ events: EventHub
    ) -> SourceEnvironment {
        SourceEnvironment(
            engine: { state.engine }, identity: { state.identity }, topology: { state.document },
            isServing: { state.isServing }, origin: { state.origin },
            retentionBytesMax: state.options.logRetentionBytesMax,
            linksChanged: {
                waits.poke()
                events.poke()
                peers.pokeAll()
            },
            logDamaged: { damage in
                state.options.log(
                    .error,
                    "a record of the log is damaged; replicas that need it take a full sync",
                    ["place": "\(damage)"])
                state.note(
                    NodeReport.Failure(code: "log-damaged", detail: "\(damage)", at: .now()))
            })
    }

    /// A connection of its own to a peer. Every request to one goes through here, or through a
    /// replica's session, which has the same rules.
    func peerClient(at address: NodeAddress) -> PeerClient {
        PeerClient(
            address: address, identity: { self.state.identity }, signing: signing,
            rules: linkRules)
    }

    var linkRules: LinkRules {
        LinkRules(
            trust: options.linkAuthoritiesFile.map { .authorities(file: $0) } ?? .system,
            refusal: { [self] in refusal(of: $0) })
    }

    /// Signs requests to peers with the cluster secret, and checks their answers.
    static func signing(_ secrets: ClusterSecrets?) -> PeerSigning {
        guard let secrets else { return .none }
        return PeerSigning(
            sign: { method, target, identity, body in
                let time = UnixMilliseconds.now()
                var generator = SystemRandomNumberGenerator()
                let nonce = Hash128(high: generator.next(), low: generator.next()).hex
                let request = ClusterSecret.SignedRequest(
                    method: method, target: target, identity: identity, body: body, time: time,
                    nonce: nonce)
                return [
                    (SignatureHeader.time, "\(time.rawValue)"), (SignatureHeader.nonce, nonce),
                    (SignatureHeader.signature, secrets.current.signature(of: request)),
                ]
            },
            verifies: { answer in
                let nonce = answer.requestHeaders.first { $0.0 == SignatureHeader.nonce }?.1
                guard let nonce, let signature = answer.head.header(SignatureHeader.signature)
                else { return false }
                let signed = ClusterSecret.SignedAnswer(
                    nonce: nonce, status: answer.head.status,
                    identity: PeerIdentity.signedText { answer.head.header($0) },
                    body: answer.body)
                return secrets.isSignature(signature, of: signed)
            })
    }
}

/// The headers that sign requests between nodes, and answers.
public enum SignatureHeader {
    /// Milliseconds since 1970.
    public static let time = "Convoy-Time"
    /// Never the same twice.
    public static let nonce = "Convoy-Nonce"
    public static let signature = "Convoy-Signature"
}

extension NodeState {
    /// Whether this node may feed others: a detached or fenced one does not.
    var isServing: Bool {
        guard !isDraining, !isFenced, facts.number != nil else { return false }
        switch role {
        case .undecided: return false
        case .primary: return true
        case .replica: return document.flatMap(ownRole(in:)) != nil
        }
    }

    /// The state of the node that reigns, as far as this one knows it.
    var origin: OriginHeartbeat? {
        switch role {
        case .undecided:
            return nil
        case .primary(let committer):
            guard let applied = engine?.state, let document else { return nil }
            return OriginHeartbeat(
                lineage: applied.header.lineage, position: applied.position, time: .now(),
                reign: committer.reign, generation: document.generation,
                catalogIndex: applied.header.catalogIndex,
                catalogDigest: applied.header.catalogDigest, receivedAt: .now())
        case .replica(let session):
            return session?.status.origin
        }
    }
}
