public import Log
import Platform
import RocksDB

/// A change whose answer is kept by the same entry, so that the request may be sent again: then it
/// changes nothing, and has the same answer.
///
/// That a request was seen before is decided where everything is decided, at its place in the log. So of
/// two that come at the same time the second waits for the first, here or at the next primary.
public struct KeepingAnswer<Inner: Change, Made: Sendable>: Change {
    public enum Answer: Sendable {
        /// Carried out now.
        case done(Made)
        /// Carried out before.
        case again(KeptAnswer)
    }

    let inner: Inner
    let key: RequestKey
    let limits: AnswerLimits
    let make: @Sendable (Inner.Answer, LogIndex) -> (kept: [UInt8], made: Made)

    /// - Parameters:
    ///   - inner: What is asked for.
    ///   - key: By which the request is known.
    ///   - limits: What is kept, of all answers.
    ///   - make: Makes the answer that is kept, without secrets, and the one that is given now. Called
    ///     on the committer's thread with the index of the entry; must not fail.
    public init(
        _ inner: Inner, key: RequestKey, limits: AnswerLimits = AnswerLimits(),
        make: @escaping @Sendable (Inner.Answer, LogIndex) -> (kept: [UInt8], made: Made)
    ) {
        self.inner = inner
        self.key = key
        self.limits = limits
        self.make = make
    }

    /// A barrier without anything new is none.
    public var kind: EntryKind { inner.kind == .barrier ? .catalog : inner.kind }
    public var bytes: Int { inner.bytes + 1_024 }
    public var waitsForReplicas: Bool { inner.waitsForReplicas }

    public func decide(_ section: inout DecidingSection) throws(Refusal) -> Answer {
        if let known = try section.keptAnswer(key, limits) {
            guard known.fingerprint == key.fingerprint else { throw .requestKeyReused }
            return .again(known)
        }
        guard inner.bytes <= Record.payloadBytesMax - 2 * KeptAnswer.bytesMax else {
            throw .tooLarge(limitBytes: Record.payloadBytesMax - 2 * KeptAnswer.bytesMax)
        }
        // Reads that can fail come before the first write.
        let room = try section.roomForAnswer(limits)
        let (kept, made) = make(try inner.decide(&section), section.index)
        section.keep(kept, for: key, in: room)
        return .done(made)
    }
}

extension DecidingSection {
    /// Answers that are over are forgotten a few at a time.
    private static let forgottenMax = 64

    /// What goes before one more answer is kept.
    struct AnswerRoom {
        var ledger: AnswerLedger
        /// Keys to be removed.
        var forgotten: [[UInt8]] = []
    }

    func keptAnswer(_ key: RequestKey, _ limits: AnswerLimits) throws(Refusal) -> KeptAnswer? {
        guard let bytes = try aside(Key.answer(key.hash)) else { return nil }
        guard let answer = KeptAnswer(decoding: bytes) else {
            throw .storageFailed("a kept answer cannot be read")
        }
        return limits.isOver(answer.time, at: time) ? nil : answer
    }

    func roomForAnswer(_ limits: AnswerLimits) throws(Refusal) -> AnswerRoom {
        var room = AnswerRoom(ledger: AnswerLedger())
        if let bytes = try aside(Key.answerLedger) {
            guard let ledger = AnswerLedger(decoding: bytes) else {
                throw .storageFailed("the ledger of kept answers cannot be read")
            }
            room.ledger = ledger
        }
        var count = 0
        while room.ledger.count > 0 {
            let place = Key.answerSlot(room.ledger.first)
            guard let slot = try aside(place).flatMap({ AnswerSlot(decoding: $0) }) else {
                throw .storageFailed("a slot of kept answers cannot be read")
            }
            let isOver =
                limits.isOver(slot.time, at: time) && count < DecidingSection.forgottenMax
            guard limits.areReached(room.ledger) || isOver else { break }
            room.forgotten.append(place)
            // The same request may have been carried out anew since.
            let kept = try aside(Key.answer(slot.hash)).flatMap { KeptAnswer(decoding: $0) }
            if kept?.slot == room.ledger.first {
                room.forgotten += [Key.answer(slot.hash), Key.answerChainHash(slot.hash)]
            }
            room.ledger.first += 1
            room.ledger.bytes -= min(room.ledger.bytes, slot.bytes)
            count += 1
        }
        return room
    }

    mutating func keep(_ answer: [UInt8], for key: RequestKey, in room: AnswerRoom) {
        for key in room.forgotten { removeAside(key) }
        var ledger = room.ledger
        let kept = KeptAnswer(
            slot: ledger.next, index: index, time: time, fingerprint: key.fingerprint,
            bytes: answer.count > KeptAnswer.bytesMax ? [] : answer)
        let slot = AnswerSlot(hash: key.hash, time: time, bytes: UInt64(kept.bytes.count))
        putAside(Key.answer(key.hash), kept.encoded())
        putAside(Key.answerSlot(ledger.next), slot.encoded())
        ledger.next += 1
        ledger.bytes += slot.bytes
        putAside(Key.answerLedger, ledger.encoded())
    }
}

extension Engine {
    /// Of the entry that carried a request out: the position that its answer names; nil when it is not
    /// known any more. May block on the disk.
    public func position(of answer: KeptAnswer, key: RequestKey) -> Position? {
        // What cannot be read is not known.
        guard let bytes = try? database.get(Key.answerChainHash(key.hash)) else { return nil }
        var reader = ByteReader(bytes)
        return reader.hash128().map { Position(index: answer.index, hash: $0) }
    }
}
