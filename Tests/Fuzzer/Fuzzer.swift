import FuzzTargets
import Glibc

/// What libFuzzer calls. `CONVOY_FUZZ_TARGET` names what is tried; see the Makefile's `fuzz`.
///
/// The directory of `CONVOY_FUZZ_CORPUS` gets the target's samples, so that the search begins with them.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _: UnsafeMutablePointer<CInt>,
    _: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>>>
) -> CInt {
    guard let corpus = getenv("CONVOY_FUZZ_CORPUS").map({ String(cString: $0) }) else { return 0 }
    for (number, sample) in target.samples.enumerated() {
        guard let file = fopen("\(corpus)/sample-\(number)", "wb") else {
            fatalError("\(corpus) cannot be written to: make it first.")
        }
        fwrite(sample, 1, sample.count, file)
        fclose(file)
    }
    return 0
}

/// A crash, here or in the target, is a find: libFuzzer writes the bytes to a file and says which.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    guard target.isSound(bytes) else {
        fatalError("\(target.name) read what it does not write again the same.")
    }
    return 0
}

private let target: FuzzTarget = {
    let name = getenv("CONVOY_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget.named(name) else {
        let names = FuzzTarget.all.map(\.name).joined(separator: ", ")
        fatalError("CONVOY_FUZZ_TARGET must be one of \(names).")
    }
    return target
}()
