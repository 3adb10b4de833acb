public import Log
import Platform
import RocksDB

/// A namespace as it stood at one position, whatever is written meanwhile. What it needs stays on disk
/// as long as it lives, and it keeps its engine open: whoever has one gives it a deadline.
///
/// Safe from any thread; every read may block on the disk.
public final class NamespaceView: Sendable {
    public let position: Position
    public let namespace: NamespaceRecord
    /// What has expired by then is not there.
    let time: UnixMilliseconds
    private let snapshot: DatabaseSnapshot

    init(
        position: Position, namespace: NamespaceRecord, time: UnixMilliseconds,
        snapshot: DatabaseSnapshot
    ) {
        self.position = position
        self.namespace = namespace
        self.time = time
        self.snapshot = snapshot
    }

    /// The value under `key`.
    public func value(of key: [UInt8]) throws(EngineError) -> StoredValue? {
        let place = Key.data(namespace.id, epoch: namespace.epoch, key)
        return try engine {
            guard let bytes = try snapshot.get(place) else { return nil }
            return try visible(bytes)
        }
    }

    /// A walk over the keys that begin with `prefix`, in order of their bytes, from after `key` on.
    public func walk(prefix: [UInt8], after key: [UInt8]?) -> NamespaceWalk {
        NamespaceWalk(self, iterator(prefix: prefix, after: key))
    }

    /// Never past the end of the namespace's epoch.
    func iterator(prefix: [UInt8], after key: [UInt8]?) -> DatabaseIterator {
        let lower = Key.data(namespace.id, epoch: namespace.epoch, prefix)
        let iterator = snapshot.iterator(from: lower, to: Key.end(ofPrefix: lower))
        if let key {
            // The first key above `key` is `key` with a zero byte behind it.
            iterator.seek(Key.data(namespace.id, epoch: namespace.epoch, key) + [0])
        }
        return iterator
    }

    fileprivate func visible(_ bytes: [UInt8]) throws(EngineError) -> StoredValue? {
        guard let value = StoredValue(decoding: bytes) else {
            throw .damaged("a stored value cannot be read")
        }
        return value.expiry.map { $0 > time } ?? true ? value : nil
    }
}

/// Goes through the keys of a ``NamespaceView`` once. For one thread, which ends it by letting it go.
public final class NamespaceWalk {
    private let view: NamespaceView
    private let iterator: DatabaseIterator

    fileprivate init(_ view: NamespaceView, _ iterator: DatabaseIterator) {
        self.view = view
        self.iterator = iterator
    }

    /// The next key with its value; nil at the end. Blocks on the disk.
    public func next() throws(EngineError) -> (key: [UInt8], value: StoredValue)? {
        try engine {
            while iterator.isValid {
                let key = Array(iterator.key.dropFirst(Key.dataPrefixBytes))
                let value = try view.visible(iterator.value)
                iterator.next()
                if let value { return (key, value) }
            }
            try iterator.checkFailure()
            return nil
        }
    }
}

extension Engine {
    /// The namespace `id` as of now; nil when it is gone. Blocks on the disk.
    public func view(of id: NamespaceID) throws(EngineError) -> NamespaceView? {
        // Before the snapshot: what is hidden now is hidden in it.
        let time = self.time
        let snapshot = DatabaseSnapshot(of: database)
        let place = id.encoded
        return try engine {
            guard let header = try snapshot.get(Key.header).flatMap(StateHeader.init(decoding:))
            else { throw EngineError.damaged("the state's header cannot be read") }
            guard let bytes = try snapshot.get(Key.catalog(.namespace, place)) else { return nil }
            guard let record = NamespaceRecord(id: place, decoding: bytes) else {
                throw EngineError.damaged("a namespace's record cannot be read")
            }
            return NamespaceView(
                position: header.position, namespace: record, time: max(time, header.time),
                snapshot: snapshot)
        }
    }
}
