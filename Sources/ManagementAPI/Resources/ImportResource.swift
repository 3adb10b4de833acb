import Engine
import HTTPServer
import JSON
import Log
import Node

/// Keys of a namespace from a body of any length, which is put as it comes.
enum ImportResource {
    static let routes: [Route] = [
        Route(
            .post, "/v1/namespaces/{ns}/import", .namespaceWrite, body: .stream,
            query: ["if_exists", "on_error"], effect: .changes(needsSpace: true), load),
        Route(.get, "/v1/namespaces/{ns}/imports", .namespaceRead, list),
    ]

    private static func load(_ call: Call) throws(Problem) -> Route.Outcome {
        let replaces = try choice(call, "if_exists", "replace", "skip")
        let stops = try choice(call, "on_error", "stop", "continue")
        let name = try call.namespaceName()
        let engine = try call.engine()
        let record = try call.namespace(engine.state.catalog).record
        if record.isReadOnly { throw Problem(Refusal.namespaceReadOnly(name)) }
        let slots = call.api.importSlots
        guard slots.enter(record.id) else { throw slots.refusal(of: "imports") }
        let now = engine.time
        let isTaken = call.api.importing.run {
            let runs = call.api.imports
            let id = runs.begin(record.id)
            var run = ImportRun(
                call, into: record, replaces: replaces, stopsAtRefusal: stops, now: now
            ) { runs.note(id, $0) }
            let ending = run.run(call.request.stream)
            let answer = answer(ending, run.report, at: engine.state.position.index)
            if case .success = answer {
                runs.note(id, run.report, .succeeded)
            } else {
                runs.note(id, run.report, .failed)
            }
            // Before the answer: who has it may send the next at once.
            slots.leave(record.id)
            switch answer {
            case .success(let response): call.respond(response)
            case .failure(let problem): call.respond(problem)
            }
        }
        guard isTaken else {
            slots.leave(record.id)
            throw slots.refusal(of: "imports")
        }
        return .later
    }

    /// Whether a parameter has the first of its two values, which it has when it is not there.
    private static func choice(
        _ call: Call, _ name: String, _ first: String, _ second: String
    ) throws(Problem) -> Bool {
        switch call.query.text(name) {
        case nil, first: return true
        case second: return false
        default: throw .invalidArgument("\(name) must be \(first) or \(second).")
        }
    }

    // MARK: - Answers

    /// Where nothing was put, the index is that of the state, `index`.
    private static func answer(
        _ ending: ImportRun.Ending, _ report: ImportReport, at index: LogIndex
    ) -> Result<Response, Problem> {
        switch ending {
        case .done where report.isComplete == false:
            .failure(
                told(
                    Problem(
                        422, "source-incomplete",
                        "The export that was sent is not complete: its last line is missing, or has another count. What it has was imported."
                    ), report))
        case .done:
            .success(
                .json(
                    .object(report.members),
                    headers: [(Headers.index, "\(report.position?.index ?? index)")]))
        case .stopped(let line, let words):
            .failure(
                told(
                    Problem(
                        422, "line-refused",
                        "Line \(line) was refused, and ended the import: \(words) The lines before it were imported. Send the rest, from that line on, or all of it with on_error=continue."
                    ), report))
        case .failed(let problem):
            .failure(told(truthful(problem, report), report))
        case .broken:
            .failure(
                told(
                    Problem(
                        400, "body-incomplete",
                        "The body broke off. What came before was imported as far as the report says."
                    ), report))
        }
    }

    private static func told(_ problem: Problem, _ report: ImportReport) -> Problem {
        var told = problem.with("import", .object(report.members))
        if let position = report.position {
            told = told.with(header: Headers.index, "\(position.index)")
        }
        return told
    }

    /// The same problem, where something was done before it.
    private static func truthful(_ problem: Problem, _ report: ImportReport) -> Problem {
        guard report.position != nil || report.unacknowledged != nil else { return problem }
        var told = problem
        for words in [" Nothing was done; try again.", " Nothing was done."] {
            told.detail = told.detail.replacing(words, with: "")
        }
        if let line = report.nextLine {
            told.detail +=
                " The lines before line \(line) were imported; send the rest from there on."
        }
        return told
    }

    private static func list(_ call: Call) throws(Problem) -> Route.Outcome {
        let namespace = try call.namespace(try call.engine().state.catalog)
        let runs = call.api.imports.runs(of: namespace.record.id)
        return .response(.json(["items": .array(runs.map(\.json))]))
    }
}
