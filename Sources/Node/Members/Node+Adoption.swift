import Engine
public import JSON
public import Log
import Platform
import Replication
public import Topology

/// What a primary asks of a node that it takes in: the body of `POST /replication/adopt`.
public struct AdoptionRequest: Sendable {
    public var lineage: Lineage
    public var number: NodeNumber
    /// The name under which the node is known there.
    public var name: NodeName
    public var document: TopologyDocument
    public var discardData: Bool
    /// Whether nobody comes in without a token there.
    public var requiresToken: Bool

    var json: JSONValue {
        [
            "lineage": .string(lineage.hex), "number": JSONValue(number.rawValue),
            "name": .string(name.rawValue), "document": .string(Hex.encode(document.encoded())),
            "discard_data": .bool(discardData), "requires_token": .bool(requiresToken),
        ]
    }

    /// Nil when something is missing or out of bounds.
    public init?(json: JSONValue) {
        guard let lineage = json["lineage"]?.stringValue.flatMap(Lineage.init(hex:)),
            let number = json["number"]?.integerValue.flatMap(UInt16.init(exactly:)),
            let name = json["name"]?.stringValue.flatMap(NodeName.init(_:)),
            let document = json["document"]?.stringValue.flatMap(Hex.decode)
                .flatMap({ TopologyDocument(decoding: $0) }),
            let discardData = json["discard_data"]?.boolValue
        else { return nil }
        self.init(
            lineage: lineage, number: NodeNumber(rawValue: number), name: name,
            document: document, discardData: discardData,
            requiresToken: json["requires_token"]?.boolValue ?? false)
    }

    init(
        lineage: Lineage, number: NodeNumber, name: NodeName, document: TopologyDocument,
        discardData: Bool, requiresToken: Bool = false
    ) {
        self.lineage = lineage
        self.number = number
        self.name = name
        self.document = document
        self.discardData = discardData
        self.requiresToken = requiresToken
    }
}

/// Why a node does not let itself be adopted. Nothing was changed.
public enum AdoptionRefusal: Error, Sendable {
    case holdsUserData(keys: UInt64, namespaces: Int)
    case nameMismatch(own: NodeName)
    /// It is primary or replica in a cluster with other nodes.
    case inUse(detail: String)
    case failed(String)
}

extension Node {
    /// What this node tells its peers of itself. Never waits.
    public var peerStatus: JSONValue {
        let facts = state.facts
        let (lineage, document) = state.membership.both
        return PeerStatus(
            name: facts.name.rawValue, number: facts.number, lineage: lineage,
            document: document, promised: facts.promised,
            extent: state.engine?.state.header.extent ?? .none,
            holdsUserData: userData.map { $0.keys > 0 || $0.namespaces > 0 } ?? false,
            followers: max(0, (document?.nodes.count ?? 1) - 1), report: report(),
            found: document.map(foundAlarms) ?? [], courses: runningCourses, process: processID
        ).json
    }

    private var userData: (keys: UInt64, namespaces: Int)? {
        state.engine.map { engine in
            let namespaces = engine.state.catalog.namespaces
            return (
                namespaces.values.reduce(0) { $0 + $1.currentUsage.keys }, namespaces.count - 1
            )
        }
    }

    /// Gives up this node's own history and belongs to another cluster from now on, durably, before
    /// `completion` is called. Asked twice, it answers the same.
    public func adopt(
        _ request: AdoptionRequest,
        completion: @escaping @Sendable (Result<Void, AdoptionRefusal>) -> Void
    ) {
        let isQueued = control.enqueue { [self] in
            do throws(AdoptionRefusal) {
                try beAdopted(request)
                completion(.success(()))
            } catch {
                completion(.failure(error))
            }
        }
        if !isQueued { completion(.failure(.failed("the node is stopping"))) }
    }

    /// On the control loop.
    private func beAdopted(_ request: AdoptionRequest) throws(AdoptionRefusal) {
        let facts = state.facts
        guard facts.name == request.name else { throw .nameMismatch(own: facts.name) }
        // A fork whose note in node.json is not written yet is of its own cluster already.
        if state.lineage == request.lineage {
            try remember(request)
            return control.poke()
        }
        try checkUnused(facts)
        if !request.discardData, let data = userData, data.keys > 0 || data.namespaces > 0 {
            throw .holdsUserData(keys: data.keys, namespaces: data.namespaces)
        }
        if case .primary(let committer) = state.role {
            guard committer.stop(until: .now() + .seconds(5)) else {
                throw .failed("a write is still on its way to the disk; ask again")
            }
        }
        if case .replica(let session?) = state.role { session.stop() }
        // Checked again: writes went on until the committer had stopped.
        if !request.discardData, let data = userData, data.keys > 0 || data.namespaces > 0 {
            state.setRole(.undecided)
            throw .holdsUserData(keys: data.keys, namespaces: data.namespaces)
        }
        _ = state.beginSession()
        source.endAll(reason: "this node was adopted by another cluster")
        // What was written here is kept aside when the full sync has found where the histories part.
        let data = userData
        let foreign = data.map { $0.keys > 0 || $0.namespaces > 0 } ?? false ? state.engine : nil
        try remember(request)
        if foreign == nil {
            maintenance.retire(state.engine)
            do {
                try state.directory.forgetCurrent()
            } catch {
                throw .failed("\(error)")
            }
        }
        state.setEngine(nil, foreign: foreign)
        state.setRole(.replica(nil))
        state.note(nil)
        tracker.forgetLocal()
        log(
            .info, "adopted by another cluster",
            ["lineage": request.lineage.hex, "number": "\(request.number)"])
        control.poke()
    }

    /// A node that others depend on is not given away.
    private func checkUnused(_ facts: NodeFacts) throws(AdoptionRefusal) {
        guard let document = state.document else { return }
        guard state.ownRole(in: document) != nil, document.nodes.count > 1 else { return }
        throw .inUse(
            detail:
                "\(facts.name) belongs to a cluster of \(document.nodes.count) nodes; remove it there first"
        )
    }

    private func remember(_ request: AdoptionRequest) throws(AdoptionRefusal) {
        let isOther = state.lineage != request.lineage
        do {
            try state.factsFile.change { facts in
                facts.lineage = request.lineage
                facts.forking = nil
                facts.number = request.number
                facts.claim = nil
                facts.requiresToken = request.requiresToken
                if isOther {
                    facts.promised = nil
                    facts.heardDiverged = [:]
                    facts.operations = []
                }
                let known = facts.document
                if isOther || known.map({ $0.version < request.document.version }) ?? true {
                    facts.document = request.document
                }
            }
        } catch {
            throw .failed("cannot write node.json: \(error)")
        }
    }

    // MARK: - The other side

    /// What this node has to do about a peer that answered. On that peer's thread, which may wait.
    func act(on status: PeerStatus, of record: NodeRecord, _ client: PeerClient) throws(PeerError) {
        guard case (let lineage?, let document?) = state.membership.both else { return }
        let isSameLineage = status.lineage == lineage
        if isSameLineage { noteDiverged(status, of: record.number) }
        if isSameLineage, let theirs = status.document, theirs.version > document.version {
            control.enqueue { [self] in learn(theirs, of: lineage) }
            return
        }
        let isMember = document.node(numbered: record.number) != nil
        if isMember, mayTakeIn(document), !isSameLineage || status.number != record.number {
            try takeIn(record, document, lineage, client)
        } else if isSameLineage, (status.document?.version ?? document.version) < document.version {
            let word = PeerVersion(lineage: lineage, version: document.version, document: document)
            _ = try client.call(
                "POST", "/replication/topology", body: .object(JSONObject(word.members)))
            peers.noteTold(record.number, of: document.version)
        } else if isSameLineage {
            try requestResync(record, client)
        }
    }

    /// Remembers what a member has set aside, beyond a restart; it hardly ever changes.
    private func noteDiverged(_ status: PeerStatus, of number: NodeNumber) {
        guard status.number == number, let entries = status.report.divergedEntries,
            state.facts.heardDiverged[number] != entries
        else { return }
        control.enqueue { [self] in
            do {
                let document = state.document
                try state.factsFile.change { facts in
                    facts.heardDiverged[number] = entries
                    facts.heardDiverged = facts.heardDiverged.filter {
                        document?.node(numbered: $0.key) != nil
                    }
                }
            } catch {
                log(.warning, "cannot note what a node has set aside", ["error": "\(error)"])
            }
        }
    }

    /// A primary takes in whom its document names. So does a former one that still asks around: it may
    /// need the promise of a node that it had not come to take in before it stopped.
    private func mayTakeIn(_ document: TopologyDocument) -> Bool {
        if state.committer != nil { return true }
        guard case .undecided = state.role else { return false }
        return state.engine != nil && state.ownRole(in: document) == .primary
    }

    private func requestResync(
        _ record: NodeRecord, _ client: PeerClient
    ) throws(PeerError) {
        // The newest: an earlier one, whose full sync was broken off, was done for the replica, and ends
        // with this one.
        let wanted = state.engine?.state.catalog.operations.values.filter {
            $0.type == "resync-node" && $0.state == .running && $0.subject == record.name.rawValue
        }.max { $0.createdAt < $1.createdAt }
        guard let wanted, state.committer != nil else { return }
        _ = try client.call(
            "POST", "/replication/resync", body: ["operation": .string(wanted.id)])
    }

    private func takeIn(
        _ record: NodeRecord, _ document: TopologyDocument, _ lineage: Lineage,
        _ client: PeerClient
    ) throws(PeerError) {
        let request = AdoptionRequest(
            lineage: lineage, number: record.number, name: record.name, document: document,
            discardData: tracker.discardsData(of: record.number), requiresToken: requiresToken)
        do throws(PeerError) {
            _ = try client.call("POST", "/replication/adopt", body: request.json)
            tracker.noteAdoption(of: record.number, refusal: nil)
            log(.info, "took a node in", ["node": record.name.rawValue])
        } catch {
            tracker.noteAdoption(
                of: record.number,
                refusal: NodeReport.Failure(code: error.code, detail: error.detail, at: .now()))
            throw error
        }
    }

    /// A peer tells of a document: the body of `POST /replication/topology`.
    ///
    /// - Returns: False when the body is not one.
    public func hear(of word: JSONValue) -> Bool {
        guard let told = PeerVersion(json: word), let document = told.document else { return false }
        return control.enqueue { [self] in learn(document, of: told.lineage) }
    }

    // MARK: - Asking to be taken in

    /// Asks a cluster to take this node in, until it has.
    func startJoining(_ address: NodeAddress) {
        _ = WorkerThread(name: "join") { [self] in
            var address = address
            while state.facts.lineage == nil && !state.isDraining {
                let client = peerClient(at: address)
                do throws(PeerError) {
                    let body: JSONValue = [
                        "name": .string(name.rawValue), "address": .string(options.address.url),
                    ]
                    _ = try client.call("POST", "/replication/join", body: body)
                    state.note(nil)
                } catch {
                    if case .refused(let problem) = error, problem.status == 421,
                        let primary = problem.body["primary"]?["address"]?.stringValue
                            .flatMap(NodeAddress.init(_:))
                    {
                        address = primary
                    }
                    state.note(
                        NodeReport.Failure(code: error.code, detail: error.detail, at: .now()))
                    log(
                        .warning, "not taken in yet; asking again",
                        ["node": address.url, "code": error.code, "detail": error.detail])
                }
                _ = Monitor(()).wait(until: .now() + .seconds(1)) { _ -> Void? in nil }
            }
        }
    }
}
