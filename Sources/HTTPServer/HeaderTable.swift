/// The header fields of one request, copied into one buffer: two allocations however many they are.
struct HeaderTable: Sendable {
    private var bytes: [UInt8] = []
    private var entries: [Entry] = []

    private struct Entry {
        let nameStart: Int
        let valueStart: Int
        let valueEnd: Int
    }

    init() {
        // A request of curl or wrk fits without growing.
        bytes.reserveCapacity(240)
        entries.reserveCapacity(8)
    }

    mutating func append(name: some Collection<UInt8>, value: some Collection<UInt8>) {
        let nameStart = bytes.count
        bytes.append(contentsOf: name)
        let valueStart = bytes.count
        bytes.append(contentsOf: value)
        entries.append(
            Entry(nameStart: nameStart, valueStart: valueStart, valueEnd: bytes.count))
    }

    var count: Int { entries.count }

    func name(at index: Int) -> ArraySlice<UInt8> {
        bytes[entries[index].nameStart..<entries[index].valueStart]
    }

    func value(at index: Int) -> ArraySlice<UInt8> {
        bytes[entries[index].valueStart..<entries[index].valueEnd]
    }

    func first(_ name: String) -> String? {
        entries.indices.first { isNamed(name, at: $0) }
            .map { String(decoding: value(at: $0), as: UTF8.self) }
    }

    func all(_ name: String) -> [String] {
        entries.indices.filter { isNamed(name, at: $0) }
            .map { String(decoding: value(at: $0), as: UTF8.self) }
    }

    /// Field names are ASCII and compare without case.
    private func isNamed(_ wanted: String, at index: Int) -> Bool {
        name(at: index).equalsIgnoringCase(wanted)
    }
}

extension ArraySlice<UInt8> {
    func equalsIgnoringCase(_ text: String) -> Bool {
        count == text.utf8.count
            && zip(self, text.utf8).allSatisfy { $0.lowercased == $1.lowercased }
    }
}

extension UInt8 {
    fileprivate var lowercased: UInt8 {
        self >= UInt8(ascii: "A") && self <= UInt8(ascii: "Z") ? self | 0x20 : self
    }
}
