public import Log
import Platform

/// One write of an entry, in the words of the API: for people who look at entries.
public struct DescribedWrite: Equatable, Sendable {
    public enum Operation: String, Sendable {
        case put, delete
        /// All keys of a namespace: a flush, or the end of the namespace.
        case empty
        /// A record of the catalog: namespaces, tokens, topology, operations.
        case catalog
    }

    public var operation: Operation
    public var namespace: NamespaceID?
    /// Of the user; nil when the write is none to one key.
    public var key: [UInt8]?
    /// Of the user; only of a put.
    public var value: [UInt8]?
}

extension Record {
    /// What the entry writes for its users to see; nil when its payload cannot be read.
    public var describedWrites: [DescribedWrite]? {
        EntryPayload(decoding: payload)?.operations()?.filter { !$0.isAside }
            .map(DescribedWrite.init(_:))
    }
}

extension DescribedWrite {
    init(_ write: WriteOperation) {
        switch write {
        case .put(let key, let value):
            self.init(.put, key)
            if operation == .put { self.value = StoredValue(decoding: value)?.bytes }
        case .delete(let key):
            self.init(.delete, key)
        case .deleteRange(let from, _):
            self.init(.empty, from)
            key = nil
        }
    }

    private init(_ operation: Operation, _ databaseKey: [UInt8]) {
        var reader = ByteReader(databaseKey)
        let prefix: UInt8? = reader.little()
        guard prefix == KeyPrefix.data, let id: UInt32 = reader.big(), reader.skip(4) else {
            self.operation = .catalog
            return
        }
        self.operation = operation
        namespace = NamespaceID(rawValue: id)
        key = reader.take(reader.remaining)
    }
}

extension WriteOperation {
    /// Of the kept answers, or of the index of expiries, which says nothing that the values do not.
    fileprivate var isAside: Bool {
        switch self {
        case .put(let key, _), .delete(let key):
            key.first == KeyPrefix.answers || key.first == KeyPrefix.expiry
        case .deleteRange: false
        }
    }
}
