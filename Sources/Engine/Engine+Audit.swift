import Log
import Platform
import RocksDB

/// What the verification of the audit has found.
public struct AuditVerification: Sendable {
    /// Of the oldest and the newest record that were looked at.
    public var first: UInt64
    public var last: UInt64
    /// Records whose entries the log still has, and which were compared with those.
    public var comparedWithLog: Int
    /// What is wrong; nil when all is as it was written.
    public var fault: String?
}

extension Engine {
    /// Records of the audit with numbers below `number`, the newest first. Blocks on the disk.
    public func auditRecords(
        below number: UInt64?, countMax: Int
    ) throws(EngineError) -> [AuditRecord] {
        let head = state.catalog.audit
        let end = min(number ?? .max, head.last + 1)
        let count = UInt64(max(0, countMax))
        let start = max(head.first, end > count ? end - count : 1)
        guard start < end else { return [] }
        return try engine {
            let iterator = DatabaseIterator(
                database, from: Key.audit(start), to: Key.audit(end))
            var found: [AuditRecord] = []
            while iterator.isValid {
                found.append(try AuditRecord(at: iterator))
                iterator.next()
            }
            try iterator.checkFailure()
            return found.reversed()
        }
    }

    /// Newest records that are compared with the log's own entries.
    private static let comparedMax = 1_000

    /// Follows the chain of all records that are kept up to the one that the catalog names, and
    /// compares the newest ones with the entries of the log, whose hashes cover all of history. Blocks.
    public func verifyAudit() throws(EngineError) -> AuditVerification {
        let head = state.catalog.audit
        return try engine {
            var chain = AuditChain()
            var newest: [AuditRecord] = []
            let iterator = DatabaseIterator(
                database, from: Key.audit(head.first), to: Key.audit(head.last + 1))
            while iterator.isValid {
                chain.read(iterator.key, iterator.value)
                if let record = try? AuditRecord(at: iterator),
                    record.number + UInt64(Engine.comparedMax) > head.last
                {
                    newest.append(record)
                }
                iterator.next()
            }
            try iterator.checkFailure()
            // What has gone for its age since the head was read is no fault.
            var kept = head
            if let first = chain.first, first > head.first,
                first <= state.catalog.audit.first
            {
                kept.first = first
            }
            var found = AuditVerification(
                first: kept.first, last: head.last, comparedWithLog: 0, fault: chain.fault(kept))
            for record in newest where found.fault == nil {
                switch try isInLog(record) {
                case true?: found.comparedWithLog += 1
                case false?:
                    found.fault = "record \(record.number) is not what entry \(record.index) wrote"
                case nil: continue
                }
            }
            return found
        }
    }

    /// Whether the entry that `record` names follows the history that it names, and holds it; nil
    /// when the log has it no more.
    private func isInLog(_ record: AuditRecord) throws -> Bool? {
        var reader: LogReader
        do throws(LogError) {
            reader = try log.reader(after: record.after)
        } catch {
            if case .notRetained = error { return nil }
            return false
        }
        guard let chunk = try reader.next(bytesMax: 1, through: record.index) else { return nil }
        var stream = RecordStream(after: record.after)
        stream.push(chunk.bytes)
        guard case .record(let entry) = try stream.next(),
            let writes = EntryPayload(decoding: entry.payload)?.operations()
        else { return false }
        let wanted = WriteOperation.put(key: Key.audit(record.number), value: record.encoded())
        return writes.contains(wanted)
    }
}

extension AuditRecord {
    fileprivate init(at iterator: DatabaseIterator) throws {
        var reader = ByteReader(iterator.key)
        guard reader.skip(1), let number: UInt64 = reader.big(),
            let record = AuditRecord(number: number, decoding: iterator.value)
        else { throw EngineError.damaged("a record of the audit cannot be read") }
        self = record
    }
}
