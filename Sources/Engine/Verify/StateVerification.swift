import Log
import Platform
import RocksDB

/// Reads every key of a database and verifies it: what it says of itself against what it holds.
struct StateVerification {
    private let database: Database
    private let path: String
    private var header = StateHeader.empty
    private var catalog = Catalog()
    /// Counted here, by namespace.
    private var counted: [NamespaceID: Usage] = [:]
    private var stored: [NamespaceID: Usage] = [:]
    /// Sums of the hashes of the lines that values ask for, and of those that are there.
    private var expiryLines = (wanted: Hash128.zero, found: Hash128.zero)
    private var audit = AuditChain()
    /// False once a part could not be read: then sums say nothing.
    private var isComplete = true

    init(_ database: Database, _ path: String) {
        self.database = database
        self.path = path
    }

    /// - Returns: The state, when it is whole enough to replay a log on it.
    mutating func run(_ report: inout EngineReport) -> EngineState? {
        guard readHeader(&report) else { return nil }
        report.position = header.position
        let isCatalogWhole = readCatalog(&report)
        readKeys(&report)
        compareCounters(&report)
        if isComplete, isCatalogWhole, let fault = audit.fault(catalog.audit) {
            report.find(.damage, path, "the audit is not what was written: \(fault)")
        }
        report.keys = counted.values.reduce(0) { $0 + $1.keys }
        return isCatalogWhole ? EngineState(header: header, catalog: catalog) : nil
    }

    private mutating func readHeader(_ report: inout EngineReport) -> Bool {
        do throws(RocksDBError) {
            guard let bytes = try database.get(Key.header) else {
                let first = DatabaseIterator(database, from: [0], to: [0xFF])
                if first.isValid {
                    report.find(.damage, path, "the state has no header, and is not empty")
                }
                try first.checkFailure()
                return !first.isValid
            }
            guard let header = StateHeader(decoding: bytes) else {
                report.find(.damage, path, "the state's header cannot be read")
                return false
            }
            self.header = header
            return true
        } catch {
            report.find(.damage, path, "\(error)")
            return false
        }
    }

    // MARK: - Catalog

    private mutating func readCatalog(_ report: inout EngineReport) -> Bool {
        var isWhole = true
        do {
            let prefix = [KeyPrefix.catalog]
            catalog = try Catalog(loading: { add in
                let iterator = DatabaseIterator(
                    database, from: prefix, to: Key.end(ofPrefix: prefix))
                while iterator.isValid {
                    do throws(CatalogFault) { try add(iterator.key, iterator.value) } catch {
                        report.find(.damage, sort: "catalog records", path, "\(error)")
                        isWhole = false
                    }
                    iterator.next()
                }
                try iterator.checkFailure()
            })
        } catch {
            report.find(.damage, path, "the catalog cannot be read: \(error)")
            return false
        }
        guard isWhole else { return false }
        if catalog.digest != header.catalogDigest {
            report.find(
                .damage, path,
                "the catalog has digest \(catalog.digest.hex), and the state's header names "
                    + header.catalogDigest.hex)
            isWhole = false
        }
        compareCatalog(&report)
        return isWhole
    }

    /// What the records say of each other.
    private func compareCatalog(_ report: inout EngineReport) {
        guard header.position != .origin else { return }
        if catalog.lineage != header.lineage {
            report.find(.damage, path, "catalog and header name different lineages")
        }
        if catalog.topology == nil { report.find(.damage, path, "there is no topology") }
        if catalog.namespace(named: .default) == nil {
            report.find(.damage, path, "there is no namespace 'default'")
        }
        let next = catalog.nextNumber(.namespaceID)
        for namespace in catalog.namespaces.values where namespace.record.id.rawValue >= next {
            report.find(
                .damage, sort: "namespace ids", path,
                "namespace '\(namespace.record.name)' has id \(namespace.record.id.rawValue), which "
                    + "is yet to be given")
        }
        for token in catalog.tokens.values {
            guard let namespace = token.namespace, catalog.namespaces[namespace] == nil else {
                continue
            }
            report.find(
                .damage, sort: "tokens", path,
                "token \(token.lookupID) opens namespace \(namespace.rawValue), which there is not")
        }
    }

    // MARK: - Keys and counters

    private mutating func readKeys(_ report: inout EngineReport) {
        do throws(RocksDBError) {
            let iterator = DatabaseIterator(database, from: [0], to: [0xFF])
            while iterator.isValid {
                let key = iterator.key
                switch key.first {
                case KeyPrefix.data: readData(key, iterator, &report)
                case KeyPrefix.counters: readCounters(key, iterator.value, &report)
                case KeyPrefix.expiry: readExpiryLine(key, &report)
                case KeyPrefix.catalog: break
                case KeyPrefix.answers: readAnswers(key, iterator.value, &report)
                case KeyPrefix.audit: audit.read(key, iterator.value)
                case KeyPrefix.header where key.count == 1: break
                default:
                    report.find(
                        .damage, sort: "unknown keys", path,
                        "a key begins with byte \(key.first ?? 0), which means nothing")
                }
                iterator.next()
            }
            try iterator.checkFailure()
        } catch {
            report.find(.damage, path, "the keys cannot be read to their end: \(error)")
            isComplete = false
        }
    }

    private mutating func readData(
        _ key: [UInt8], _ iterator: DatabaseIterator, _ report: inout EngineReport
    ) {
        var reader = ByteReader(key)
        guard reader.skip(1), let id: UInt32 = reader.big(), let epoch: UInt32 = reader.big(),
            (1...Key.userKeyBytesMax).contains(reader.remaining)
        else {
            report.find(
                .damage, sort: "data keys", path, "a data key of \(key.count) bytes cannot be one")
            return
        }
        let namespace = NamespaceID(rawValue: id)
        guard let record = catalog.namespaces[namespace]?.record else {
            report.find(
                .damage, sort: "keys of unknown namespaces", path,
                "a key belongs to namespace \(id), which there is not")
            return
        }
        let place = "\(path), namespace '\(record.name)'"
        guard epoch == record.epoch else {
            // One that a flush hides may come back to light when files are dropped; nobody reads it.
            report.find(
                epoch > record.epoch ? .damage : .note, sort: "keys of other epochs", place,
                "a key is of epoch \(epoch), and the namespace of \(record.epoch)")
            return
        }
        let (prefix, count) = iterator.valuePrefix(StoredValue.headBytesMax)
        guard let head = StoredValueHead(decoding: prefix, encodedBytes: count) else {
            report.find(.damage, sort: "values", place, "a stored value cannot be read")
            return
        }
        if head.version.index > header.position.index {
            report.find(
                .damage, sort: "versions", place,
                "a value is of entry \(head.version.index), and the state stands at "
                    + "\(header.position.index)")
        }
        if let expiry = head.expiry {
            let line = ExpiryKey(expiry: expiry, dataKey: key).encoded
            expiryLines.wanted = expiryLines.wanted &+ Hash128(of: line)
        }
        counted[namespace, default: Usage()].keys += 1
        counted[namespace, default: Usage()].bytes += UInt64(reader.remaining + head.bytes)
    }

    private mutating func readExpiryLine(_ key: [UInt8], _ report: inout EngineReport) {
        guard let line = ExpiryKey(encoded: key) else {
            return report.find(
                .damage, sort: "expiry lines", path,
                "a line of the index of expiries cannot be read")
        }
        // Those of flushed namespaces are removed later.
        guard catalog.namespaces[line.namespace]?.record.epoch == line.epoch else { return }
        expiryLines.found = expiryLines.found &+ Hash128(of: key)
    }

    private func readAnswers(_ key: [UInt8], _ value: [UInt8], _ report: inout EngineReport) {
        let isWhole =
            switch key.count >= 2 ? Key.AnswerSort(rawValue: key[1]) : nil {
            case .ledger?: AnswerLedger(decoding: value) != nil
            case .answer?: KeptAnswer(decoding: value) != nil
            case .slot?: AnswerSlot(decoding: value) != nil
            case .chainHash?: value.count == 16
            case nil: false
            }
        if isWhole { return }
        report.find(.damage, sort: "kept answers", path, "what is kept of an answer cannot be read")
    }

    private mutating func readCounters(
        _ key: [UInt8], _ value: [UInt8], _ report: inout EngineReport
    ) {
        guard let id = NamespaceID(encoded: Array(key.dropFirst())),
            let usage = StoredCounters(decoding: value)?.usage
        else {
            report.find(.damage, sort: "counters", path, "a namespace's counters cannot be read")
            return
        }
        guard catalog.namespaces[id] != nil else {
            report.find(
                .damage, sort: "counters", path,
                "there are counters of namespace \(id.rawValue), which there is not")
            return
        }
        stored[id] = usage
    }

    private func compareCounters(_ report: inout EngineReport) {
        guard isComplete else { return }
        if expiryLines.wanted != expiryLines.found {
            report.find(
                .damage, sort: "expiry lines", path,
                "the index of expiries does not name exactly the values that have one")
        }
        for (id, namespace) in catalog.namespaces {
            let found = counted[id] ?? Usage()
            let told = stored[id] ?? Usage()
            guard found != told else { continue }
            report.find(
                .damage, sort: "counters", "\(path), namespace '\(namespace.record.name)'",
                "it holds \(found.keys) keys of \(found.bytes) bytes, and its counters say "
                    + "\(told.keys) of \(told.bytes)")
        }
    }
}
