import Foundation
import FuzzTargets
import Platform
import Testing

/// Each target of FuzzTargets, with bytes that are made out of its samples at random.
///
/// CONVOY_FUZZ_SECONDS  how long each target is tried (10)
/// CONVOY_SEED          which bytes; a failure prints it
@Suite(.serialized) struct FuzzTests {
    private static let environment = ProcessInfo.processInfo.environment

    @Test(arguments: FuzzTarget.all.map(\.name))
    func `bytes of nobody's making are refused, or read and written again`(name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let seconds = Self.environment["CONVOY_FUZZ_SECONDS"].flatMap(Double.init) ?? 10
        let seed =
            Self.environment["CONVOY_SEED"].flatMap { UInt64($0) }
            ?? UInt64.random(in: 0..<1_000_000_000)
        var mutator = Mutator(seed: seed, samples: target.samples)
        let end = MonotonicTime.now() + .milliseconds(Int64(seconds * 1000))
        var count = 0
        // For a crash: the last thing that is seen then.
        print("\(name): CONVOY_SEED=\(seed)")
        // However slow the machine is, so many are tried.
        while MonotonicTime.now() < end || count <= 1_000 {
            for _ in 0..<100 {
                let bytes = mutator.next()
                guard target.isSound(bytes) else {
                    Issue.record("CONVOY_SEED=\(seed): \(bytes)")
                    return
                }
            }
            count += 100
        }
        print("\(name): \(count) inputs")
    }
}

/// Makes bytes that are like the samples, and less and less so.
private struct Mutator {
    private var random: Numbers
    private let samples: [[UInt8]]

    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// What parsers stumble over.
    private static let nasty: [UInt8] = [
        0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x25, 0x2F, 0x5B, 0x5C, 0x7B,
    ]

    init(seed: UInt64, samples: [[UInt8]]) {
        random = Numbers(state: seed)
        self.samples = samples
    }

    mutating func next() -> [UInt8] {
        var bytes = samples.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 0...6, using: &random) { change(&bytes) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        let place = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where !bytes.isEmpty: bytes[place] = Self.nasty.randomElement(using: &random) ?? 0
        case 2 where !bytes.isEmpty: bytes.remove(at: place)
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 4: bytes.removeLast(min(bytes.count, Int.random(in: 0...8, using: &random)))
        case 5:
            let other = samples.randomElement(using: &random) ?? []
            bytes.replaceSubrange(place..., with: other.dropFirst(min(place, other.count)))
        default:
            let piece = bytes.dropFirst(place).prefix(Int.random(in: 0...16, using: &random))
            bytes.insert(contentsOf: Array(piece), at: place)
        }
        if bytes.count > 4_096 { bytes.removeLast(bytes.count - 4_096) }
    }
}
