import Platform
import RocksDB

/// One line of a list of keys.
public struct KeyListing: Equatable, Sendable {
    public let key: [UInt8]
    public let head: StoredValueHead
}

/// A page of the list of a namespace's keys.
public struct KeyPage: Sendable {
    public var items: [KeyListing] = []
    /// After which key the list goes on; nil: this is the end of it.
    public var next: [UInt8]?

    /// What one page may cost: whichever comes first ends it, and it may be empty then.
    public struct Limits: Sendable {
        public var countMax: Int
        /// Of keys; one may be more.
        public var bytesMax: Int
        /// Values that have expired and are not removed yet, which are passed over.
        public var hiddenMax: Int

        public init(countMax: Int, bytesMax: Int = 4 << 20, hiddenMax: Int = 20_000) {
            self.countMax = countMax
            self.bytesMax = bytesMax
            self.hiddenMax = hiddenMax
        }
    }
}

extension NamespaceView {
    /// Keys that begin with `prefix`, in order of their bytes, from after `key` on. Blocks on the disk.
    public func keys(
        prefix: [UInt8], after key: [UInt8]?, _ limits: KeyPage.Limits
    ) throws(EngineError) -> KeyPage {
        let iterator = self.iterator(prefix: prefix, after: key)
        return try engine {
            var page = KeyPage()
            var last = key ?? []
            var (bytes, hidden) = (0, 0)
            while iterator.isValid {
                if page.items.count == limits.countMax || bytes >= limits.bytesMax
                    || hidden == limits.hiddenMax
                {
                    page.next = last
                    return page
                }
                let (start, count) = iterator.valuePrefix(StoredValue.headBytesMax)
                guard let head = StoredValueHead(decoding: start, encodedBytes: count) else {
                    throw EngineError.damaged("a stored value cannot be read")
                }
                last = Array(iterator.key.dropFirst(Key.dataPrefixBytes))
                if head.expiry.map({ $0 > time }) ?? true {
                    page.items.append(KeyListing(key: last, head: head))
                    bytes += last.count
                } else {
                    hidden += 1
                }
                iterator.next()
            }
            try iterator.checkFailure()
            return page
        }
    }
}
