import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform
import Replication
import Testing

@testable import ManagementAPI
@testable import Topology

@Suite struct ProblemTests {
    @Test func `a problem document has all that RFC 9457 and the contract want`() {
        let problem = Problem.notFound("There is no such key.").with("etag", .null)
        let json = problem.json(requestID: "00ff")
        #expect(
            json == [
                "type": "/problems/not-found", "title": "Not found", "status": 404,
                "code": "not-found", "detail": "There is no such key.", "request_id": "00ff",
                "etag": .null,
            ])
        #expect(Problem.malformedJSON("x").json(requestID: "1")["title"] == "Malformed JSON")
        let response = problem.response(requestID: "00ff")
        #expect(response.status == 404)
        #expect(response.headers.first?.value == "application/problem+json")
    }

    @Test func `faults stand in errors with pointer, code and sentence`() {
        let fault = Problem.Fault(pointer: "/a/0", code: "invalid", detail: "No.")
        let json = Problem.validationFailed([fault]).json(requestID: "1")
        #expect(json["errors"]?[0]?["pointer"] == "/a/0")
        #expect(json["errors"]?[0]?["code"] == "invalid")
    }

    private static let name = NamespaceName.default

    @Test(arguments: [
        (Refusal.namespaceNotFound(name), 404, "not-found"),
        (.namespaceExists(name), 409, "already-exists"),
        (.namespacesExist([3: name]), 409, "already-exists"),
        (.namespaceIsPermanent(name), 409, "namespace-is-permanent"),
        (.namespaceReadOnly(name), 403, "read-only"), (.keyNotFound, 404, "not-found"),
        (.checkFailed(operation: 3, current: nil), 412, "precondition-failed"),
        (.quotaExceeded(quota: "quota_keys", limit: 5, used: 5), 507, "quota-exceeded"),
        (.tooLarge(limitBytes: 9), 413, "too-large"), (.tokenRevoked, 401, "unauthorized"),
        (.topologyInvalid([]), 422, "validation-failed"), (.nodeNotFound("n"), 404, "not-found"),
        (.operationNotFound("o"), 404, "not-found"), (.limitReached("ids"), 409, "limit-reached"),
        (.storageFailed("/secret/path"), 500, "internal-error"),
    ])
    func `each refusal has its status and code`(refusal: Refusal, status: Int, code: String) {
        let problem = Problem(refusal)
        #expect(problem.status == status)
        #expect(problem.code == code)
        #expect(problem.detail.hasSuffix("."))
        #expect(!problem.detail.contains("/secret"))
    }

    @Test func `a failed check names its place and the present ETag`() {
        let version = ValueVersion(index: LogIndex(9), ordinal: 1)
        let json = Problem(Refusal.checkFailed(operation: 3, current: version)).json(requestID: "1")
        #expect(json["operation"] == 3)
        #expect(json["etag"]?.stringValue == version.etag)
    }

    @Test func `a replica tells where the primary is`() throws {
        let address = try #require(NodeAddress("http://127.0.0.1:7070"))
        let record = NodeRecord(
            number: NodeNumber(rawValue: 1), name: try #require(NodeName("n1")), address: address)
        let problem = Problem(ChangeFailure.notPrimary(record))
        #expect(problem.status == 421)
        #expect(
            problem.json(requestID: "1")["primary"]
                == ["name": "n1", "address": "http://127.0.0.1:7070"])
    }

    @Test func `what can be tried again says when`() {
        for failure in [ChangeFailure.noPrimary, .notReady, .busy] {
            let problem = Problem(failure)
            #expect(problem.status == 503)
            #expect(problem.headers.contains { $0.name == "Retry-After" && $0.value == "1" })
        }
    }

    @Test func `too few acknowledgements say what is true nevertheless`() {
        let json = Problem(
            ChangeFailure.acksTimeout(
                AckOutcome(index: LogIndex(7), wanted: 2, reached: 1), unheard: nil)
        )
        .json(requestID: "1")
        #expect(json["status"] == 504)
        #expect(json["code"] == "acks-timeout")
        #expect(json["index"] == 7)
        #expect(json["reached"] == 1)
        #expect(json["wanted"] == 2)
    }

    @Test(arguments: TopologyFault.Code.allCases)
    func `each fault of a topology has a status`(code: TopologyFault.Code) {
        let problem = Problem([TopologyFault("/nodes/0", code, "no")])
        let isConflict: Set<TopologyFault.Code> = [
            .nodeIsPrimary, .staleGeneration, .staleTerm, .staleNumber, .staleChange,
        ]
        #expect(problem.status == (isConflict.contains(code) ? 409 : 422))
        #expect(problem.faults.first?.code == code.rawValue)
        #expect(problem.faults.first?.pointer == "/nodes/0")
    }

    @Test func `a topology that was changed meanwhile says by whom, when, and its ETag`() throws {
        let founder = NodeRecord(
            number: NodeNumber(rawValue: 1), name: try #require(NodeName("n1")),
            address: try #require(NodeAddress("http://127.0.0.1:7070")))
        let note = ChangeNote(at: UnixMilliseconds(rawValue: 1_000), by: "token:abc")
        let document = TopologyDocument.founding(founder, note: note)
        let lineage = Lineage.random()
        let json = Problem(Refusal.topologyChanged(document), lineage: lineage).json(requestID: "1")
        #expect(json["status"] == 412)
        #expect(json["changed_by"] == "token:abc")
        #expect(json["changed_at"] == "1970-01-01T00:00:01.000Z")
        #expect(json["etag"]?.stringValue == "\"\(document.fingerprint(in: lineage).hex)\"")
    }

    @Test func `a refusal between nodes keeps its status, code and members`() {
        let refusal = FeedRefusal(409, "upstream-behind", "behind", [("last", 3)])
        let json = Problem(refusal).json(requestID: "1")
        #expect(json["status"] == 409)
        #expect(json["code"] == "upstream-behind")
        #expect(json["last"] == 3)
        #expect(json["detail"] == "behind.")
    }

    @Test func `JSON that is too deep is too large, other errors are malformed`() throws {
        for (text, code) in [("[[1]]", "too-large"), ("{", "malformed-json")] {
            do {
                _ = try JSONValue(parsing: Array(text.utf8), depthMax: 1)
                Issue.record("accepted")
            } catch {
                #expect(Problem(error).code == code)
            }
        }
    }
}
