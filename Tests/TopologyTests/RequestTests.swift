import Log
import Platform
import Testing
import Topology

/// `PUT /v1/topology`: each rule, and what a valid request amounts to.
@Suite struct TopologyRequestTests {
    private func apply(
        _ change: (inout TopologyRequest) -> Void, to current: TopologyDocument? = nil
    ) throws -> Result<TopologyChange, TopologyFaults> {
        let current = try current ?? document([2: 1, 3: 2])
        var request = TopologyRequest(current)
        change(&request)
        return current.applying(request, nextNumber: number(4), note: note)
    }

    @Test func `the document that GET showed changes nothing`() throws {
        let current = try document([2: 1, 3: 2], others: [4], minInSync: 1)
        let result = try apply(
            {
                $0.generation = 12
                $0.term = 3
                $0.changedAt = "1970-01-01T00:00:01.000Z"
                $0.changedBy = "tester"
                for at in $0.nodes.indices { $0.nodes[at].number = at + 1 }
                $0.nodes.reverse()
                $0.replicas.reverse()
                $0.reason = "another"
            }, to: current)
        #expect(result == .success(.unchanged))
    }

    @Test func `a change is the next generation, with who, when and why`() throws {
        let next = try apply {
            $0.minInSyncReplicas = 1
            $0.reason = "safer"
        }.changed()
        #expect(next.generation == Generation(13))
        #expect(next.reign == Reign(term: 3, holder: number(1)))
        #expect(next.minInSyncReplicas == 1)
        #expect((next.changedAt, next.changedBy, next.reason) == (note.at, "tester", "safer"))
    }

    @Test func `new names get the next numbers in their order`() throws {
        let next = try apply {
            $0.nodes.insert(.init(name: "z", address: "http://z:1"), at: 0)
            $0.nodes.append(.init(name: "a", address: "http://a:1"))
            $0.replicas.append(.init(node: "a", upstream: "z"))
            $0.replicas.append(.init(node: "z", upstream: "n1"))
        }.changed()
        #expect(next.nodes.suffix(2).map(\.name.rawValue) == ["z", "a"])
        #expect(next.shape == "1: 2←1 3←2 4←1 5←4")
        #expect(next.nextNumber(after: number(4)) == number(6))
    }

    @Test func `a node that loses its role keeps its number`() throws {
        let next = try apply { $0.replicas.removeLast() }.changed()
        #expect(next.node(numbered: number(3))?.name.rawValue == "n3")
        #expect(next.role(of: number(3)) == nil)
    }

    @Test func `addresses may be exchanged`() throws {
        let next = try apply {
            let first = $0.nodes[1].address
            $0.nodes[1].address = $0.nodes[2].address
            $0.nodes[2].address = first
        }.changed()
        #expect(next.node(numbered: number(2))?.address.host == "10.0.0.3")
    }

    @Test func `fifty nodes that nobody has seen are taken`() throws {
        let next = try apply {
            for at in 4...50 {
                $0.nodes.append(.init(name: "m\(at)", address: "http://10.1.0.\(at):7070"))
                $0.replicas.append(.init(node: "m\(at)", upstream: "n2"))
            }
        }.changed()
        #expect(next.nodes.count == 50)
    }

    @Test func `an unknown node is found wherever it is named`() throws {
        let result = try apply {
            $0.replicas[0].node = "x"
            $0.replicas[1].upstream = "y"
        }
        #expect(
            result.faults == ["/replicas/0/node unknown-node", "/replicas/1/upstream unknown-node"])
    }

    @Test func `each ring of upstreams is reported once`() throws {
        let current = try document([2: 1, 3: 1, 4: 1, 5: 4, 6: 1])
        let result = try apply(
            {
                $0.replicas[0].upstream = "n3"
                $0.replicas[1].upstream = "n2"
                $0.replicas[2].upstream = "n3"
                $0.replicas[4].upstream = "n6"
            }, to: current)
        #expect(result.faults == ["/replicas/0/upstream cycle", "/replicas/4/upstream cycle"])
        guard case .failure(let faults) = result else { return }
        #expect(faults.all.first?.detail.hasSuffix("n2 → n3 → n2") == true)
    }

    @Test func `a replica without upstream would be a second primary`() throws {
        #expect(
            try apply { $0.replicas[0].upstream = nil }.faults
                == ["/replicas/0/upstream two-primaries"])
    }

    @Test func `the primary follows nobody`() throws {
        #expect(
            try apply { $0.replicas.append(.init(node: "n1", upstream: "n2")) }.faults
                == ["/replicas/2/node primary-is-replica"])
    }

    @Test(arguments: [nil, ""])
    func `a primary must be named`(primary: String?) throws {
        #expect(try apply { $0.primary = primary }.faults == ["/primary no-primary"])
    }

    @Test func `another primary is a switchover`() throws {
        let result = try apply {
            $0.primary = "n2"
            $0.replicas = [
                .init(node: "n1", upstream: "n2"), .init(node: "n3", upstream: "n2"),
            ]
        }
        #expect(result.faults == ["/primary primary-changed"])
    }

    @Test func `an unknown primary is both unknown and another`() throws {
        #expect(
            try apply { $0.primary = "x" }.faults
                == ["/primary primary-changed", "/primary unknown-node"])
    }

    @Test func `nobody follows a node without a role`() throws {
        let result = try apply(
            { $0.replicas.append(.init(node: "n3", upstream: "n2")) },
            to: try document([4: 1], others: [2, 3]))
        #expect(result.faults == ["/replicas/1/upstream node-without-role"])
    }

    @Test func `names, addresses and replicas are there once`() throws {
        let result = try apply {
            $0.nodes.append(.init(name: "n2", address: "https://10.0.0.3:7070"))
            $0.replicas.append(.init(node: "n2", upstream: "n1"))
        }
        #expect(
            result.faults == [
                "/replicas/2/node duplicate-replica", "/nodes/3/name duplicate-name",
                "/nodes/3/address duplicate-address",
            ])
    }

    @Test(arguments: [-1, 3, Int.max, Int.min])
    func `more replicas cannot be waited for than there are`(minInSync: Int) throws {
        #expect(
            try apply { $0.minInSyncReplicas = minInSync }.faults
                == ["/min_in_sync_replicas min-in-sync-unmet"])
    }

    @Test func `names and addresses are checked`() throws {
        let result = try apply {
            $0.nodes.append(.init(name: "Self", address: "http://x"))
            $0.nodes.append(.init(name: "self", address: "http://10.0.0.9:1/"))
        }
        #expect(
            result.faults == [
                "/nodes/3/name bad-name", "/nodes/3/address bad-address",
                "/nodes/4/name bad-name", "/nodes/4/address bad-address",
            ])
    }

    @Test func `what is said to be current must be`() throws {
        let result = try apply {
            $0.generation = 11
            $0.term = -1
            $0.changedAt = "1970-01-01T00:00:00.000Z"
            $0.changedBy = "me"
            $0.nodes[1].number = 3
            $0.nodes.append(.init(name: "n4", number: 4, address: "http://n4:1"))
        }
        #expect(
            result.faults == [
                "/generation stale-generation", "/term stale-term", "/changed_at stale-change",
                "/changed_by stale-change", "/nodes/1/number stale-number",
                "/nodes/3/number stale-number",
            ])
    }

    @Test func `a name cannot be changed under a number`() throws {
        #expect(
            try apply { $0.nodes[2] = .init(name: "n9", number: 3, address: "http://n9:1") }.faults
                .contains("/nodes/2/number stale-number"))
    }

    @Test func `128 nodes are the end`() throws {
        func add(_ count: Int) -> (inout TopologyRequest) -> Void {
            { request in
                for at in 0..<count {
                    request.nodes.append(.init(name: "m\(at)", address: "http://m\(at):1"))
                }
            }
        }
        #expect(try apply(add(125)).changed().nodes.count == 128)
        #expect(try apply(add(126)).faults == ["/nodes too-many-nodes"])
        #expect(
            try apply {
                $0.replicas = Array(repeating: .init(node: "n2", upstream: "n1"), count: 129)
            }.faults == ["/replicas too-many-nodes"])
    }

    @Test func `numbers end at 65,534`() throws {
        let current = try document([2: 1])
        var request = TopologyRequest(current)
        request.nodes.append(.init(name: "a", address: "http://a:1"))
        let last = try current.applying(request, nextNumber: number(65_534), note: note).changed()
        #expect(last.nodes.last?.number == number(65_534))
        #expect(last.nextNumber(after: number(65_534)) == number(65_535))
        request.nodes.append(.init(name: "b", address: "http://b:1"))
        #expect(
            current.applying(request, nextNumber: number(65_534), note: note).faults
                == ["/nodes/3/name numbers-exhausted"])
    }

    @Test func `a reason has an end`() throws {
        #expect(
            try apply { $0.reason = String(repeating: "x", count: 1_025) }.faults
                == ["/reason reason-too-long"])
    }

    @Test func `every code of a fault is in its own words`() {
        let codes = TopologyFault.Code.allCases.map(\.rawValue)
        #expect(codes.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "-" } })
    }
}
