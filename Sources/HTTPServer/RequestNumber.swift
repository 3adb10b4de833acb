import Synchronization

/// What a request id is made from: different for each request of a process.
struct RequestNumber: Sendable {
    let value: UInt64

    /// 16 hexadecimal digits.
    var hexadecimal: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Gives each request its number. Ids do not tell how many came before.
    final class Source: Sendable {
        private let next = Atomic<UInt64>(UInt64.random(in: .min ... .max))

        func take() -> RequestNumber {
            // The finalizer of SplitMix64 maps 64 bits to 64 bits one to one: no two are equal.
            var z = next.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return RequestNumber(value: z ^ (z >> 31))
        }
    }
}
