import Log
public import Platform

/// The line of the index of expiries that belongs to a value with an expiry: in order of time, so
/// that what is due stands at the beginning. It says again what the value says; who removes expired
/// values looks at the value.
public struct ExpiryKey: Equatable, Hashable, Sendable {
    public var expiry: UnixMilliseconds
    public var namespace: NamespaceID
    public var epoch: UInt32
    /// Of the user.
    public var key: [UInt8]

    /// Bytes before the user's key.
    static let prefixBytes = 17

    init(expiry: UnixMilliseconds, namespace: NamespaceID, epoch: UInt32, key: [UInt8]) {
        self.expiry = expiry
        self.namespace = namespace
        self.epoch = epoch
        self.key = key
    }

    /// Of the value under the data key `dataKey`.
    init(expiry: UnixMilliseconds, dataKey: [UInt8]) {
        var reader = ByteReader(dataKey)
        guard reader.skip(1), let namespace: UInt32 = reader.big(),
            let epoch: UInt32 = reader.big()
        else { fatalError("invariant broken: a data key of \(dataKey.count) bytes") }
        self.init(
            expiry: expiry, namespace: NamespaceID(rawValue: namespace), epoch: epoch,
            key: reader.take(reader.remaining) ?? [])
    }

    /// Nil when `encoded` is none.
    init?(encoded: [UInt8]) {
        var reader = ByteReader(encoded)
        guard reader.skip(1), let expiry: UInt64 = reader.big(),
            let namespace: UInt32 = reader.big(), let epoch: UInt32 = reader.big(),
            (1...Key.userKeyBytesMax).contains(reader.remaining)
        else { return nil }
        self.init(
            expiry: UnixMilliseconds(rawValue: expiry),
            namespace: NamespaceID(rawValue: namespace), epoch: epoch,
            key: reader.take(reader.remaining) ?? [])
    }

    var dataKey: [UInt8] { Key.data(namespace, epoch: epoch, key) }

    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: ExpiryKey.prefixBytes + key.count)
        writer.bytes.append(KeyPrefix.expiry)
        writer.big(expiry.rawValue)
        writer.big(namespace.rawValue)
        writer.big(epoch)
        writer.append(key)
        return writer.bytes
    }

    /// Above all that are due at `time`.
    static func end(of time: UnixMilliseconds) -> [UInt8] {
        var writer = ByteWriter(capacity: 9)
        writer.bytes.append(KeyPrefix.expiry)
        writer.big(time.rawValue == .max ? .max : time.rawValue + 1)
        return writer.bytes
    }
}
