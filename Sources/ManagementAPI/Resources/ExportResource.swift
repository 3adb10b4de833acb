import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform

/// All keys of a namespace with their values, as they stood at one position, streamed.
enum ExportResource {
    static let routes: [Route] = [
        Route(
            .get, "/v1/namespaces/{ns}/export", .namespaceRead, query: ["prefix", "after"], export)
    ]

    /// Bytes that are made at once.
    private static let chunkBytes = 64 << 10

    private static func export(_ call: Call) throws(Problem) -> Route.Outcome {
        let format = TransferFormat(accepted: call.head)
        let after = call.head.queryBytes("after").flatMap { $0.isEmpty ? nil : $0 }
        let engine = try call.engine()
        let state = engine.state
        let id = try call.namespace(state.catalog).record.id
        if call.head.method == .head {
            return .response(
                Response(status: 200, headers: headers(call, format, state.position.index)))
        }
        let slots = call.api.exportSlots
        guard slots.enter(id) else { throw slots.refusal(of: "exports") }
        let isTaken = call.api.exporting.run {
            // Before the end of the answer: who has it may ask for the next at once.
            do throws(Problem) {
                let stream = try answer(call, engine, format, after)
                slots.leave(id)
                stream?.finish()
            } catch {
                slots.leave(id)
                call.respond(error)
            }
        }
        guard isTaken else {
            slots.leave(id)
            throw slots.refusal(of: "exports")
        }
        return .later
    }

    /// Opens the view, answers, and makes the body until it is all made or nobody wants it. What is read
    /// from is let go on return, before the engine can be.
    ///
    /// - Returns: What has all of its bytes and is to be finished; nil when it was broken off.
    private static func answer(
        _ call: Call, _ engine: Engine, _ format: TransferFormat, _ after: [UInt8]?
    ) throws(Problem) -> ExportStream? {
        let view = try call.namespaceView()
        let prefix = call.head.queryBytes("prefix") ?? []
        let stream = ExportStream()
        stream.keep(watch(call, engine, stream))
        call.respond(
            Response(
                status: 200, headers: headers(call, format, view.position.index),
                body: .stream(stream)))
        guard stream.offer(format.head(head(view, prefix, after))) else { return nil }
        let walk = view.walk(prefix: prefix, after: after)
        var count = 0
        var chunk: [UInt8] = []
        do throws(EngineError) {
            while let (key, value) = try walk.next() {
                format.append(key, value, to: &chunk)
                count += 1
                guard chunk.count >= chunkBytes else { continue }
                guard stream.offer(chunk) else { return nil }
                chunk = []
            }
        } catch {
            stream.breakOff()
            return nil
        }
        return stream.offer(chunk + format.end(count: count)) ? stream : nil
    }

    /// Ends what is begun when the caller would not be let in any more, and when a full sync has put
    /// another state in this one's place.
    private static func watch(
        _ call: Call, _ engine: Engine, _ stream: ExportStream
    ) -> AdmissionWatch.Ticket {
        let refusal = call.admissionRefusal
        return call.api.admissions.add(
            { [weak engine, node = call.node] in
                if let problem = refusal() { return problem }
                return engine != nil && node.engine === engine
                    ? nil : .notReady("The state was replaced by a full sync. Ask again.")
            }, end: { _ in stream.breakOff() })
    }

    private static func head(
        _ view: NamespaceView, _ prefix: [UInt8], _ after: [UInt8]?
    ) -> JSONObject {
        var head: JSONObject = [
            TransferFormat.headName: JSONValue(TransferFormat.version),
            "namespace": .string(view.namespace.name.rawValue), "position": view.position.json,
        ]
        if !prefix.isEmpty { TransferText.put(prefix, into: &head, "prefix") }
        if let after { TransferText.put(after, into: &head, "after") }
        return head
    }

    private static func headers(
        _ call: Call, _ format: TransferFormat, _ index: LogIndex
    ) -> [(name: String, value: String)] {
        let file = "\(call.parameter("ns")).\(format.fileSuffix)"
        return [
            ("Content-Type", format.contentType), ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "sandbox; default-src 'none'"),
            ("Content-Disposition", "attachment; filename=\"\(file)\""),
            ("Cache-Control", "no-store"), (Headers.index, "\(index)"),
        ]
    }
}
