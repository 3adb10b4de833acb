import Engine
import JSON
import Log
import Platform
import Testing
import Topology

@testable import Node

@Suite struct FailoverResultTests {
    private let result = FailoverResult(
        node: "n2", term: 1_004, isExclusive: false, promisers: ["n2", "n4"], promisesNeeded: 4,
        silent: [
            .init(node: "n1", divergedEntriesBefore: 2),
            .init(node: "n3", divergedEntriesBefore: nil),
        ],
        tail: .init(node: "n4", entries: 7),
        acceptedLoss: PossibleLoss(entries: 3, bytes: 300, unheardSeconds: 1.5))

    private func found(
        _ result: FailoverResult, later: [String: UInt64] = [:],
        seen: [String: FoundLoss.Seen] = [:]
    ) -> FoundLoss? {
        FoundLoss(of: result, later: { later[$0] }, seen: { seen[$0] })
    }

    @Test func `a result reads back as it was written`() throws {
        #expect(FailoverResult(json: result.json) == result)
        var careful = result
        careful.isExclusive = true
        careful.acceptedLoss = nil
        careful.tail = nil
        #expect(FailoverResult(json: careful.json) == careful)
        #expect(FailoverResult(json: ["step": "promises"]) == nil)
    }

    @Test func `what was lost is known when those who were silent are back`() {
        #expect(found(result) == nil, "nobody is back")
        let early = FoundLoss.Seen(divergedEntries: 2, term: 3)
        #expect(found(result, seen: ["n1": early]) == nil, "it has not heard of the new reign")
        let back = found(result, seen: ["n1": .init(divergedEntries: 5, term: 1_004)])
        #expect(back?.entries == 3)
        #expect(back?.nodes == ["n1"])
        #expect(back?.isComplete == false, "of n3 nothing is known")
        let other = found(result, seen: ["n1": .init(divergedEntries: 0, term: 1_004)])
        #expect(other == nil, "another directory came back under its name")
    }

    @Test func `who never set anything aside has lost nothing, whatever was heard of it before`() {
        var unheard = result
        unheard.silent = [.init(node: "n1", divergedEntriesBefore: nil)]
        let clean = found(unheard, seen: ["n1": .init(divergedEntries: 0, term: 1_004)])
        #expect(clean?.entries == 0 && clean?.isComplete == true)
        let some = found(unheard, seen: ["n1": .init(divergedEntries: 4, term: 1_004)])
        #expect(some == nil, "it may have set them aside before")
    }

    @Test func `what a later failover cost is not this one's`() {
        let seen = ["n1": FoundLoss.Seen(divergedEntries: 50, term: 2_005)]
        #expect(found(result, later: ["n1": 5], seen: seen)?.entries == 3)
    }

    @Test func `with every promise nothing is lost`() {
        var all = result
        all.silent = []
        #expect(found(all)?.entries == 0)
        #expect(found(all)?.isComplete == true)
    }

    @Test func `the pause of a switchover is the sum of its parts`() throws {
        var result = SwitchoverResult(from: "n1", to: "n2", held: .microseconds(12_345))
        #expect(result.pauseMilliseconds == nil)
        #expect(SwitchoverResult(text: result.text) == result)
        result.takeOverMilliseconds = 2.5
        #expect(result.pauseMilliseconds.map { abs($0 - 14.85) < 0.011 } == true)
        #expect(SwitchoverResult(text: result.text) == result)
        #expect(SwitchoverResult(text: #"{"step":"hold"}"#) == nil)
        #expect(SwitchoverResult(text: nil) == nil)
    }

    @Test func `no term is made up above the last one`() {
        #expect(NextTerm.above(7) == 8)
        #expect(NextTerm.above(7, mayMissReigns: true) == 1_007)
        #expect(NextTerm.above(.max) == nil)
        #expect(NextTerm.above(.max - 1_000, mayMissReigns: true) == .max)
        #expect(NextTerm.above(.max - 999, mayMissReigns: true) == nil)
    }
}

@Suite struct OperationCourseTests {
    private func course() -> OperationTracker.Course {
        OperationTracker.Course(
            steps: OperationTracker.steps(
                of: "switchover", createdAt: UnixMilliseconds(rawValue: 1_000)))
    }

    private func states(_ course: OperationTracker.Course) -> [String] {
        course.steps.map(\.state)
    }

    @Test func `a cancelled operation shows where it was, and what was never begun`() {
        var course = course()
        course.enter("catch-up", deadline: nil, at: UnixMilliseconds(rawValue: 2_000))
        #expect(course.end(.cancelled) == "catch-up")
        #expect(states(course) == ["succeeded", "cancelled", "skipped", "skipped", "skipped"])
        #expect(course.end(.cancelled) == "catch-up", "ended twice, it stays as it was")
        #expect(states(course) == ["succeeded", "cancelled", "skipped", "skipped", "skipped"])
    }

    @Test func `one that ends between two steps was about to begin the next`() {
        var course = course()
        #expect(course.end(.failed) == "catch-up")
        #expect(states(course) == ["succeeded", "failed", "skipped", "skipped", "skipped"])
    }

    @Test func `a failed one shows the step that failed`() {
        var course = course()
        course.enter("hold", deadline: nil, at: UnixMilliseconds(rawValue: 2_000))
        #expect(course.end(.failed) == "hold")
        #expect(states(course) == ["succeeded", "succeeded", "failed", "skipped", "skipped"])
    }

    @Test func `an operation waits a minute for a node that has fallen silent`() {
        func at(_ seconds: UInt64) -> UnixMilliseconds {
            UnixMilliseconds(rawValue: 1_000_000 + seconds * 1_000)
        }
        func isOver(heard: UInt64?, since: UInt64, now: UInt64) -> Bool {
            OperationTracker.Silence(heardAt: heard.map(at), since: at(since), now: at(now)).isOver
        }
        #expect(!isOver(heard: 10, since: 0, now: 70))
        #expect(isOver(heard: 10, since: 0, now: 71))
        #expect(!isOver(heard: 10, since: 65, now: 71), "this node has just begun to listen")
        #expect(!isOver(heard: nil, since: 0, now: 60))
        #expect(isOver(heard: nil, since: 0, now: 61), "it was never heard")
        #expect(!isOver(heard: 80, since: 0, now: 70), "a clock that jumped back")
    }

    @Test func `who has not run it shows the same by its record`() {
        let tracker = OperationTracker()
        var record = OperationRecord(
            id: "op_1", type: "switchover", state: .cancelled, subject: "n2",
            createdAt: UnixMilliseconds(rawValue: 1_000), createdBy: "tester")
        record.result = OperationResult.ended(at: "catch-up")
        #expect(
            tracker.view(of: record).steps.map(\.state) == [
                "succeeded", "cancelled", "skipped", "skipped", "skipped",
            ])
        record.result = nil
        #expect(
            tracker.view(of: record).steps.map(\.state) == [
                "succeeded", "unknown", "unknown", "unknown", "unknown",
            ])
    }

    @Test func `steps that another node runs are those that it tells, or unknown`() throws {
        let tracker = OperationTracker()
        let record = OperationRecord(
            id: "op_1", type: "switchover", state: .running, subject: "n2",
            createdAt: UnixMilliseconds(rawValue: 1_000), createdBy: "tester")
        let blind = tracker.view(of: record)
        #expect(blind.steps.map(\.state) == ["succeeded"] + Array(repeating: "unknown", count: 4))
        #expect(blind.observedAt == nil)
        #expect(tracker.view(of: record, runsHere: true).steps.last?.state == "pending")

        var course = course()
        course.enter(
            "hold", deadline: UnixMilliseconds(rawValue: 9_000),
            at: UnixMilliseconds(rawValue: 2_000))
        let told = RelayedCourse(
            id: "op_1", steps: course.steps, progress: .init(done: 1, total: nil, unit: "bytes"),
            at: UnixMilliseconds(rawValue: 2_500))
        let heard = try #require(RelayedCourse(json: told.json, at: told.at))
        #expect(heard == told)
        let view = tracker.view(of: record, relayed: heard)
        #expect(view.steps == course.steps)
        #expect(view.progress?.done == 1)
        #expect(view.observedAt == told.at)
    }

    @Test func `a record reads back from node json as it was`() {
        let record = OperationRecord(
            id: "op_1", type: "failover", state: .failed, subject: "n2",
            createdAt: UnixMilliseconds(rawValue: 1_000),
            finishedAt: UnixMilliseconds(rawValue: 2_000), createdBy: "tester", reason: "because",
            errorCode: "node-stopped", errorDetail: "it stopped", result: #"{"step":"look"}"#)
        #expect(OperationRecord(fileJSON: record.fileJSON) == record)
    }
}
