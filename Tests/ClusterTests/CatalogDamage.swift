import ClusterKit
import Log
import Platform
import RocksDB
import Topology

@testable import Engine

/// Damage to the catalog of a node that does not run, as a bug or a bad disk might do it.
enum CatalogDamage {
    /// Makes a namespace read-only in the node's database, behind the log's back.
    ///
    /// With `hidesIt` the state then names the digest of what is there: only another node can tell
    /// that it is wrong. Else the node can tell by itself. Throws when there is no such namespace, or
    /// the node still runs.
    static func makeReadOnly(
        _ namespace: String, of node: ConvoyProcess, hidesIt: Bool
    ) throws {
        guard let incarnation = try DataDirectory.current(in: node.dataPath) else {
            throw ClusterFailure("\(node.name) has no state")
        }
        try flush(incarnation, node)
        var options = DatabaseOptions()
        options.mustExist = true
        let database = try Database(path: incarnation.databasePath, options: options)
        guard let bytes = try database.get(Key.header),
            var header = StateHeader(decoding: bytes),
            let found = try find(namespace, in: database)
        else { throw ClusterFailure("\(node.name) has no \(namespace)") }
        var record = found.record
        record.isReadOnly = true
        header.catalogDigest =
            header.catalogDigest &- Hash128(of: found.key + found.record.encoded())
            &+ Hash128(of: found.key + record.encoded())
        var operations = WriteOperations()
        operations.put(found.key, record.encoded())
        if hidesIt { operations.put(Key.header, header.encoded()) }
        var batch = ByteWriter()
        batch.append([UInt8](repeating: 0, count: 8))
        batch.little(operations.count)
        batch.append(operations.bytes)
        try database.write(batch: batch.bytes)
        try database.flush()
    }

    /// Brings everything that the log has into the database, so that no replay writes over the damage.
    private static func flush(_ incarnation: Incarnation, _ node: ConvoyProcess) throws {
        let opened = try Engine.open(
            incarnation, synced: .zero, diverged: "\(node.directory)/diverged",
            options: EngineOptions())
        try opened.engine.flush()
    }

    private static func find(
        _ namespace: String, in database: Database
    ) throws -> (key: [UInt8], record: NamespaceRecord)? {
        let prefix = Key.catalog(.namespace, [])
        let iterator = DatabaseIterator(database, from: prefix, to: Key.end(ofPrefix: prefix))
        while iterator.isValid {
            let id = Array(iterator.key.dropFirst(prefix.count))
            if let record = NamespaceRecord(id: id, decoding: iterator.value),
                record.name.rawValue == namespace
            {
                return (iterator.key, record)
            }
            iterator.next()
        }
        return nil
    }
}
