import Engine
import HTTPServer
import JSON
import Log
import Node
import Platform

/// One import, on a thread that may wait: takes the body as it comes, and puts its lines in batches, each
/// one entry. What is in the log before it ends, however it ends, stays, and is reported.
struct ImportRun {
    let call: Call
    /// As it was when the import began. It may be renamed meanwhile.
    let namespace: NamespaceRecord
    let replaces: Bool
    let stopsAtRefusal: Bool
    /// Called with each step forward.
    let told: (ImportReport) -> Void
    private(set) var report = ImportReport()
    private var reader: ImportReader
    private var batch: [(number: Int, line: ImportedKey)] = []
    private var batchBytes = 0
    private var lastNumber = 0
    /// Of the export that is being read.
    private var keysRead = 0

    enum Ending {
        case done
        /// At the line that the report names last.
        case stopped(line: Int, words: String)
        case failed(Problem)
        /// The client has left.
        case broken
    }

    /// Lines of one entry.
    static let batchLinesMax = 500
    /// Keys and values of one entry; one line may be more.
    static let batchBytesMax = 1 << 20
    /// What has come is put when nothing more comes for so long.
    private static let quiet: Duration = .seconds(1)
    /// A client that sends nothing for so long has left.
    private static let silenceMax: Duration = .seconds(60)
    /// Replicas that must acknowledge are waited for in less.
    private static let commitMax: Duration = .seconds(120)

    init(
        _ call: Call, into namespace: NamespaceRecord, replaces: Bool, stopsAtRefusal: Bool,
        now: UnixMilliseconds, told: @escaping (ImportReport) -> Void
    ) {
        self.call = call
        self.namespace = namespace
        self.replaces = replaces
        self.stopsAtRefusal = stopsAtRefusal
        self.told = told
        reader = ImportReader(now: now)
    }

    /// Blocks until the body ends, or nothing more of it is wanted.
    mutating func run(_ body: BodyStream?) -> Ending {
        defer { body?.close() }
        guard let body else { return finish() }
        var heardAt = MonotonicTime.now()
        while true {
            switch body.read(until: .now() + ImportRun.quiet) {
            case .bytes(let bytes):
                heardAt = .now()
                report.bytesRead += bytes.count
                reader.push(bytes)
                if let ending = takeItems() { return ending }
                told(report)
            case .end:
                return finish()
            case .broken:
                return .broken
            case nil:
                if let ending = putBatch() { return ending }
                if MonotonicTime.now() - heardAt > ImportRun.silenceMax { return .broken }
            }
        }
    }

    private mutating func finish() -> Ending {
        reader.finish()
        if let ending = takeItems() ?? putBatch() { return ending }
        report.nextLine = nil
        told(report)
        return .done
    }

    /// Nil when it goes on.
    private mutating func takeItems() -> Ending? {
        while let (number, item) = reader.next() {
            if let ending = take(item, number) { return ending }
        }
        return nil
    }

    private mutating func take(_ item: ImportReader.Item, _ number: Int) -> Ending? {
        lastNumber = number
        switch item {
        case .key(let line):
            keysRead += 1
            batch.append((number, line))
            batchBytes += line.key.count + line.value.count
            let isFull =
                batch.count >= ImportRun.batchLinesMax || batchBytes >= ImportRun.batchBytesMax
            return isFull ? putBatch() : nil
        case .head:
            keysRead = 0
            report.isComplete = false
            return nil
        case .end(let count):
            if report.isComplete == false { report.isComplete = count == keysRead }
            return nil
        case .fault(let fault):
            keysRead += 1
            guard stopsAtRefusal || fault.isFatal else {
                report.refuse(number, fault.code, fault.detail)
                return nil
            }
            if let ending = putBatch() { return ending }
            return stop(number, fault.code, fault.detail)
        }
    }

    private mutating func stop(_ number: Int, _ code: String, _ detail: String) -> Ending {
        report.refuse(number, code, detail)
        report.nextLine = number
        told(report)
        return .stopped(line: number, words: detail)
    }

    // MARK: - Putting

    /// Puts what has come. Blocks until it is in the log and acknowledged; nil when it goes on.
    private mutating func putBatch() -> Ending? {
        guard let first = batch.first, let last = batch.last else {
            report.nextLine = lastNumber + 1
            return nil
        }
        let lines = batch
        batch = []
        batchBytes = 0
        report.nextLine = first.number
        let change = ImportKeys(
            namespace: namespace.id, name: namespace.name, lines: lines.map(\.line),
            replaces: replaces, stopsAtRefusal: stopsAtRefusal)
        var admitted = call.admitted(change)
        admitted.credential.namespaceID = namespace.id
        let outcome = Monitor<Result<Committed<[ImportOutcome]>, ChangeFailure>?>(nil)
        call.node.submit(admitted) { result in outcome.update { $0 = result } }
        switch outcome.wait(until: .now() + ImportRun.commitMax, { $0 }) {
        case nil:
            return .failed(.outcomeUnknown)
        case .failure(.refused(.namespaceNotFound(let name))):
            return .failed(
                .notFound("The namespace \(name), as it was when the import began, is deleted."))
        case .failure(let failure):
            if case .acksTimeout = failure {
                report.unacknowledged = first.number...last.number
                report.nextLine = last.number + 1
            }
            return .failed(call.problem(failure))
        case .success(let committed):
            return note(committed, lines.map(\.number))
        }
    }

    private mutating func note(
        _ committed: Committed<[ImportOutcome]>, _ numbers: [Int]
    ) -> Ending? {
        report.position = committed.position
        for (outcome, number) in zip(committed.answer, numbers) {
            report.nextLine = number + 1
            switch outcome {
            case .created: report.created += 1
            case .replaced: report.replaced += 1
            case .skipped: report.skipped += 1
            case .expired: report.expired += 1
            case .notTried: break
            case .refused(let quota, let limit, let used):
                let problem = Problem(
                    Refusal.quotaExceeded(quota: quota, limit: limit, used: used))
                if stopsAtRefusal { return stop(number, problem.code, problem.detail) }
                report.refuse(number, problem.code, problem.detail)
            }
        }
        told(report)
        return nil
    }
}
