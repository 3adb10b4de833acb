import Access
import HTTPServer
import JSON
import Log
import Node
import Platform
import Replication
import Topology

/// Who may speak as a node: with a cluster secret, whoever signs with it; without, this machine.
final class PeerGate: Sendable {
    private let secrets: ClusterSecrets?
    private let nonces = Monitor(NonceMemory())
    /// What the answers to requests are signed with that were signed themselves, by nonce. Nobody
    /// else's answer is signed: it could be passed on to a node as the answer to its own request.
    private let owed = Monitor<[String: ClusterSecret]>([:])

    /// Of requests that get no answer of ours.
    private static let owedMax = 20_000

    private static let prefix = Array("/replication/".utf8)

    private let insecureLinks: Bool

    init(secrets: ClusterSecrets?, insecureLinks: Bool = false) {
        self.secrets = secrets
        self.insecureLinks = insecureLinks
    }

    static func isPeerPath(_ head: RequestHead) -> Bool { head.rawPath.starts(with: prefix) }

    /// Throws unless the request is a peer's. To be asked once: a nonce is taken once.
    func verify(_ request: Request) throws(Problem) {
        let head = request.head
        guard let secrets else {
            guard head.remoteIsLoopback else {
                throw .peerNotTrusted(
                    "This node has no cluster secret, so it trusts nodes of its own machine only. Start both with --cluster-secret-file."
                )
            }
            return
        }
        guard head.secure || head.remoteIsLoopback || insecureLinks else {
            throw .peerNotTrusted(
                "Links beyond loopback need TLS here, or --insecure-links on a network that is trusted."
            )
        }
        guard let time = head.header(SignatureHeader.time).flatMap(UInt64.init(_:)),
            let nonce = head.header(SignatureHeader.nonce),
            let signature = head.header(SignatureHeader.signature)
        else {
            throw .peerNotTrusted(
                "The request is not signed. Start the other node with the cluster secret, too.")
        }
        let at = UnixMilliseconds(rawValue: time)
        let signed = ClusterSecret.SignedRequest(
            method: head.method.name, target: target(of: head),
            identity: PeerIdentity.signedText { head.header($0) }, body: request.body, time: at,
            nonce: nonce)
        guard let signer = secrets.signer(of: signed, signature: signature) else {
            throw .peerNotTrusted("The signature is not made with this cluster's secret.")
        }
        owed.withLock { owed in
            if owed.count >= PeerGate.owedMax { _ = owed.popFirst() }
            owed[nonce] = signer
        }
        guard nonces.withLock({ $0.accepts(nonce: nonce, time: at, now: .now()) }) else {
            throw .peerNotTrusted(
                "The signature was used before, or its time is more than \(ClusterSecret.timeWindow.components.seconds) s from this node's clock."
            )
        }
    }

    /// Signs the answer to a request that was signed, with the secret that it was signed with.
    func sign(_ response: inout Response, for head: RequestHead) {
        guard let nonce = head.header(SignatureHeader.nonce),
            let secret = owed.withLock({ $0.removeValue(forKey: nonce) })
        else { return }
        let body: [UInt8]? =
            switch response.body {
            case .none: []
            case .bytes(let bytes): bytes
            case .file, .stream: nil
            }
        let headers = response.headers.map { ($0.name, $0.value) }
        let answer = ClusterSecret.SignedAnswer(
            nonce: nonce, status: response.status, identity: PeerIdentity.signedText(headers),
            body: body)
        response.headers.append((SignatureHeader.signature, secret.signature(of: answer)))
    }

    private func target(of head: RequestHead) -> String {
        let query = head.rawQuery.isEmpty ? [] : [UInt8(ascii: "?")] + head.rawQuery
        return String(decoding: head.rawPath + query, as: UTF8.self)
    }
}

extension Route {
    /// An operation between nodes; with `admitsStrangers` also of other clusters, and of none.
    static func peer(
        _ method: HTTPMethod, _ template: String, body: BodyRule = .none, query: [String] = [],
        admitsStrangers: Bool = false,
        _ run: @escaping @Sendable (Call, PeerIdentity) throws(Problem) -> Outcome
    ) -> Route {
        Route(method, template, .peer, body: body, query: query) {
            call throws(Problem) -> Outcome in
            try call.api.peerGate.verify(call.request)
            guard let peer = PeerIdentity(header: { call.head.header($0) }) else {
                throw .invalidArgument("The headers do not say which node asks.")
            }
            let own = call.node.peerIdentity.lineage
            guard admitsStrangers || own == nil || peer.lineage == own else {
                throw .otherCluster(call.ownWord)
            }
            return try run(call, peer)
        }
    }
}

extension Call {
    /// Refuses a node that has no place, by number and name, in the topology that this node knows.
    func checkMember(_ peer: PeerIdentity) throws(Problem) {
        let record = peer.number.flatMap { node.document?.node(numbered: $0) }
        guard record?.name.rawValue == peer.name else {
            var problem = Problem(
                403, "not-in-topology",
                "The node that asks is not in the topology that this node knows.")
            problem.members = ownWord
            throw problem
        }
    }

    /// Refuses whoever would take this node over, or come in, where people need a token and nodes have
    /// no secret to prove themselves with: else any process of this machine could be such a node.
    func checkSecret(of lineage: Lineage?) throws(Problem) {
        guard api.settings.secret == nil, node.requiresToken,
            lineage == nil || lineage != node.peerIdentity.lineage
        else { return }
        throw .peerNotTrusted(
            "This node wants a token of everybody, and has no cluster secret: start both nodes with --cluster-secret-file."
        )
    }

    /// What this node knows of the topology, for a peer that it refuses.
    var ownWord: [(String, JSONValue)] {
        guard let lineage = node.peerIdentity.lineage, let document = node.document else {
            return []
        }
        return PeerVersion(lineage: lineage, version: document.version, document: nil).members
    }
}
