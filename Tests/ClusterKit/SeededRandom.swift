import Glibc

/// SplitMix64: the same numbers for the same seed, on every machine.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { self.state = seed }

    /// Seeded from CONVOY_SEED, else from the system; prints the seed, so that a failure can be
    /// repeated with it.
    public static func announced(for purpose: String) -> SeededRandom {
        var system = SystemRandomNumberGenerator()
        let given = ProcessEnvironment["CONVOY_SEED"].flatMap { UInt64($0) }
        let seed = given ?? system.next() % 1_000_000_000
        print("\(purpose): CONVOY_SEED=\(seed)")
        return SeededRandom(seed: seed)
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    public mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            withUnsafeBytes(of: next()) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes.prefix(count))
    }

    /// A generator of its own for thread number `number`.
    public func forked(_ number: Int) -> SeededRandom {
        var mixed = SeededRandom(seed: state ^ (UInt64(number) &+ 1) &* 0xD6E8_FEB8_6659_FD93)
        return SeededRandom(seed: mixed.next())
    }
}
