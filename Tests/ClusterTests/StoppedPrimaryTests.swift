// Symptom (kvrocks PR#2662, #2671): whatever the primary was about to send, a replica that waits for it
// cannot be told to follow another one.

import ClusterKit
import JSON
import Platform
import Testing

/// Test D, step 6: the primary stops at each moment of a sync, as by SIGSTOP: its sockets stay open,
/// what was asked of it arrives, and nothing comes back.
@Suite(.cluster) struct StoppedPrimaryTests {
    enum Moment: String, CaseIterable, CustomTestStringConvertible {
        case connecting, handshake, manifest, firstFile, lastFile, afterRestore, streaming

        var testDescription: String { rawValue }

        /// Of the full sync that the primary's silence breaks off.
        var stage: String? {
            switch self {
            case .connecting, .handshake, .streaming: nil
            case .manifest: "prepare"
            case .firstFile, .lastFile: "fetch"
            case .afterRestore: "catch_up"
            }
        }
    }

    /// Test D, step 6.
    @Test(.serialized, .timeLimit(.minutes(5)), arguments: Moment.allCases)
    func `a primary that stands still holds up no claim`(moment: Moment) throws {
        let scene = try SilentPrimary(bytes: 4 << 20)
        let (primary, replica) = (scene.primary, scene.replica)
        switch moment {
        case .connecting:
            try replica.stop()
            primary.pause()
            try replica.start(until: .alive)
        case .streaming:
            primary.pause()
        case .handshake:
            try replica.stop()
            let stop = StopAtRequest(moment, scene)
            try replica.start(until: .alive)
            try stop.wait()
        case .manifest, .firstFile, .lastFile, .afterRestore:
            let stop = StopAtRequest(moment, scene)
            _ = try primary.client.post("/v1/nodes/n2/resync").expecting(202)
            try stop.wait()
        }
        // Before anything else: after three seconds of silence the next try begins.
        let sync = try replica.client.node().json["full_sync"]
        #expect(try replicaReads(scene))
        print("\(moment): stopped in the stage \(sync?["stage"]?.stringValue ?? "none")")
        #expect(sync?["stage"]?.stringValue == moment.stage)
        #expect(sync?["reason"]?.stringValue == moment.stage.map { _ in "requested" })

        try scene.replicaClaims("n3", "\(moment)")
        try scene.replicaAnswersAtOnce(
            for: .milliseconds(500), "\(moment)",
            within: max(.milliseconds(100), SilentPrimary.answerTimeMax))
        #expect(try replicaReads(scene), "it serves what it has")
        try replica.client.waitUntilState("streaming", within: 60)
        #expect(try replica.client.node().upstream == "n3")
        #expect(try replicaReads(scene))
        primary.resume()
        try scene.heal()
    }

    private func replicaReads(_ scene: SilentPrimary) throws -> Bool {
        let answer = try scene.replica.client.get(Path.key("k1"))
        return answer.body == SeededRandom.block(1, SilentPrimary.valueBytes)
    }
}

/// Stops the primary when a certain request of n2 is about to reach it.
private final class StopAtRequest: Sendable {
    private let moment: StoppedPrimaryTests.Moment
    private let state = Monitor(State())

    private struct State {
        var filesAsked: Set<Substring> = []
        var hasStopped = false
    }

    /// From now on. Other nodes ask the primary, too, but nothing of what is stopped at.
    init(_ moment: StoppedPrimaryTests.Moment, _ scene: SilentPrimary) {
        self.moment = moment
        let (primary, replica) = (scene.primary, scene.replica.client)
        scene.proxy.watchRequests { [self] line in
            let parts = line.split(separator: " ")
            guard parts.count > 1, !state.withLock({ $0.hasStopped }) else { return }
            if isMoment(String(parts[0]), parts[1], replica) {
                primary.pause()
                state.update { $0.hasStopped = true }
            }
        }
    }

    func wait() throws {
        let hasStopped = state.wait(until: .now() + .seconds(60)) { $0.hasStopped ? true : nil }
        guard hasStopped == true else { throw ClusterFailure("no request of \(moment) came by") }
    }

    private func isMoment(_ method: String, _ path: Substring, _ replica: TestClient) -> Bool {
        let isLog = path.hasPrefix("/replication/log?")
        let isFile = path.contains("/files/")
        let asked = state.update { state in
            if isFile { state.filesAsked.insert(path) }
            return state.filesAsked.count
        }
        switch moment {
        case .handshake: return isLog
        case .manifest: return method == "POST" && path.hasPrefix("/replication/snapshots")
        case .firstFile: return isFile
        case .lastFile:
            // Of files without bytes nothing is asked.
            let total = try? replica.get("/v1/nodes/self")["full_sync"]?["files_total"]
            return isFile && asked == total?.integerValue.map(Int.init)
        case .afterRestore: return isLog && asked > 0
        case .connecting, .streaming: return false
        }
    }
}
