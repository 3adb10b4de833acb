import Platform

/// Follows the records of the audit in the order of their keys, and finds whatever was changed,
/// taken out or put in.
struct AuditChain {
    private(set) var first: UInt64?
    private(set) var last: UInt64 = 0
    private(set) var chain = Hash128.zero
    private var broken: String?

    mutating func read(_ key: [UInt8], _ value: [UInt8]) {
        var reader = ByteReader(key)
        guard broken == nil else { return }
        guard reader.skip(1), let number: UInt64 = reader.big(), reader.isAtEnd else {
            broken = "a key of it is none"
            return
        }
        guard let record = AuditRecord(number: number, decoding: value) else {
            broken = "record \(number) cannot be read"
            return
        }
        if first == nil {
            first = number
            chain = record.previous
        } else if number != last + 1 {
            broken = "record \(last + 1) is missing"
            return
        }
        guard record.previous == chain else {
            broken = "record \(number) does not follow the one before"
            return
        }
        chain = AuditHead.chain(chain, value)
        last = number
    }

    /// Why the records are not those of `head`; nil when they are.
    func fault(_ head: AuditHead) -> String? {
        if let broken { return broken }
        guard last == head.last else { return "it ends at record \(last), not \(head.last)" }
        guard first ?? 1 == head.first else {
            return "it begins at record \(first ?? 0), not \(head.first)"
        }
        guard chain == head.chain else { return "record \(last) is not the one that was written" }
        return nil
    }
}
