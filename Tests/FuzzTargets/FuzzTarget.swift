/// Something that reads bytes from outside, and how it is tried with bytes of nobody's making: refused or read,
/// never a crash, and what is read can be written again.
///
/// FuzzTests tries each for seconds with bytes at random; `make fuzz` for minutes with libFuzzer, which looks for
/// bytes that reach code not yet reached, under AddressSanitizer, which reports bad accesses and leaks.
public struct FuzzTarget: Sendable {
    public let name: String
    /// What it reads gladly: what is tried is made out of these.
    public let samples: [[UInt8]]
    /// False when it read something that it does not write again the same.
    public let isSound: @Sendable ([UInt8]) -> Bool

    public static let all: [FuzzTarget] = [token, json, record, entry, path]

    public static func named(_ name: String) -> FuzzTarget? {
        all.first { $0.name == name }
    }
}
