import Engine
import Platform
import Topology

/// What emptying or removing a namespace would do and cost, before it is done; blocked by the rules that
/// would refuse it.
enum NamespacePlan {
    /// - Throws: 404 when there is no such namespace.
    static func flush(_ change: FlushNamespace, _ call: Call) throws(Problem) -> ChangePlan {
        let catalog = try call.engine().state.catalog
        let namespace = try call.namespace(catalog)
        var plan = ChangePlan(
            steps: [
                .init(
                    .flushNamespace, nil,
                    "by one entry: every key is gone on a node as soon as it applies that; the space comes back in the background"
                )
            ], risks: risks(namespace))
        do throws(Refusal) {
            _ = try change.target(in: catalog)
        } catch {
            plan.blockers = [blocker(error, "let it be written to before: PATCH it with read_only")]
        }
        return plan
    }

    /// - Throws: 404 when there is no such namespace.
    static func delete(_ change: DeleteNamespace, _ call: Call) throws(Problem) -> ChangePlan {
        let catalog = try call.engine().state.catalog
        let namespace = try call.namespace(catalog)
        var plan = ChangePlan(
            steps: [
                .init(
                    .deleteNamespace, nil,
                    "by one entry: the namespace, its keys and its tokens are gone on a node as soon as it applies that; the space comes back in the background"
                )
            ], risks: risks(namespace))
        let tokens = catalog.tokens(of: namespace.record.id).count
        if tokens > 0 {
            plan.risks.append(
                .init(
                    .tokensEnd, nil, "whoever uses its tokens is refused from then on",
                    evidence: [.measured("tokens", UInt64(tokens))],
                    remedy:
                        "GET /v1/namespaces/\(namespace.record.name)/tokens says which were used lately"
                ))
        }
        do throws(Refusal) {
            _ = try change.target(in: catalog)
        } catch {
            plan.blockers = [blocker(error, "flush it instead")]
        }
        return plan
    }

    private static func risks(_ namespace: Namespace) -> [ChangePlan.Finding] {
        var risks: [ChangePlan.Finding] = []
        let usage = namespace.currentUsage
        if usage.keys > 0 {
            risks.append(
                .init(
                    .dataLoss, nil, "what it holds is removed, and cannot be brought back",
                    evidence: [
                        .measured("keys", usage.keys), .measured("data_bytes", usage.bytes),
                    ],
                    remedy: "export it before: GET /v1/namespaces/\(namespace.record.name)/export"))
        }
        let now = MonotonicTime.now()
        let (reads, writes) = (
            namespace.traffic.readsPerSecond(at: now), namespace.traffic.writesPerSecond(at: now)
        )
        if reads + writes >= usedPerSecond {
            risks.append(
                .init(
                    .inUse, nil, "it is in use at this node",
                    evidence: [
                        .measured("reads_per_second", reads.rounded()),
                        .measured("writes_per_second", writes.rounded()),
                    ], remedy: "ask its users; PATCH it with read_only to see who writes"))
        }
        return risks
    }

    /// Less is somebody who looked.
    private static let usedPerSecond = 0.5

    private static func blocker(_ refusal: Refusal, _ remedy: String) -> ChangePlan.Finding {
        let problem = Problem(refusal)
        return .init(.init(rawValue: problem.code), nil, problem.detail, remedy: remedy)
    }
}
