import Platform
import Testing

@Suite struct BytesTests {
    @Test func `what is written is read back`() {
        var writer = ByteWriter()
        writer.little(UInt32(0x0102_0304))
        writer.big(UInt16(0x0506))
        writer.varint32(300)
        writer.appendCounted("née")
        writer.hash128(Hash128(high: 1, low: 2))
        writer.overwriteLittle(at: 0, UInt32(7))
        var reader = ByteReader(writer.bytes)
        #expect(reader.little(UInt32.self) == 7)
        #expect(reader.big(UInt16.self) == 0x0506)
        #expect(reader.varint32() == 300)
        #expect(reader.countedText() == "née")
        #expect(reader.hash128() == Hash128(high: 1, low: 2))
        #expect(reader.isAtEnd)
        #expect(reader.little(UInt8.self) == nil)
    }

    @Test func `the byte order is the one that the name says`() {
        var writer = ByteWriter()
        writer.little(UInt16(0x0102))
        writer.big(UInt16(0x0102))
        #expect(writer.bytes == [2, 1, 1, 2])
    }

    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, UInt32.max])
    func `a varint reads back`(value: UInt32) {
        var writer = ByteWriter()
        writer.varint32(value)
        var reader = ByteReader(writer.bytes)
        #expect(reader.varint32() == value && reader.isAtEnd)
    }

    @Test func `reads beyond the end answer nil`() {
        var reader = ByteReader([200, 1, 2], in: 0..<2)
        #expect(reader.take(3) == nil && !reader.skip(3) && !reader.skip(-1))
        #expect(reader.counted() == nil)
        var endless = ByteReader(Array(repeating: 0xFF, count: 10))
        #expect(endless.varint32() == nil)
        var text = ByteReader([2, 0xC3, 0x28])
        #expect(text.countedText() == nil)
    }

    @Test func `random bytes never crash a reader`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0...20)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            var reader = ByteReader(bytes)
            while !reader.isAtEnd {
                guard reader.counted() != nil || reader.varint32() != nil || reader.skip(1) else {
                    break
                }
            }
        }
    }
}

@Suite struct Hash128Tests {
    /// Values of the xxHash reference: `XXH3_128bits`, seed 0.
    @Test func `it is XXH3 with 128 bits`() {
        #expect(Hash128(of: []).hex == "99aa06d3014798d86001c324468d497f")
        #expect(Hash128(of: Array("a".utf8)).hex == "a96faf705af16834e6c632b61e964e1f")
    }

    @Test(arguments: [0, 1, 15, 16, 17, 128, 129, 240, 241, 5_000])
    func `all ways to hash the same bytes agree`(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31) }
        let whole = Hash128(of: bytes)
        #expect(Hash128(of: [1] + bytes + [2], in: 1..<count + 1) == whole)
        for cut in [0, count / 3, count] {
            var incremental = IncrementalHash128()
            incremental.update(Array(bytes[..<cut]))
            incremental.update(Array(bytes[cut...]))
            #expect(incremental.finish() == whole)

            let prefix = Hash128(high: 0x0102, low: 0x0304)
            var writer = ByteWriter()
            writer.hash128(prefix)
            let chained = Hash128(of: writer.bytes + bytes)
            #expect(Hash128(chaining: prefix, bytes, 0..<cut, cut..<count) == chained)
            #expect(
                Hash128(chaining: prefix, Array(bytes[..<cut]), Array(bytes[cut...])) == chained)
        }
    }

    @Test func `hexadecimal text reads back, and nothing else does`() {
        let hash = Hash128(high: 0x0000_0000_DEAD_BEEF, low: 1)
        #expect(Hash128(hex: hash.hex) == hash)
        #expect(hash.hex == "00000000deadbeef0000000000000001")
        for text in [
            "", "00", hash.hex + "0", "+" + hash.hex.dropFirst(), "g" + hash.hex.dropFirst(),
        ] {
            #expect(Hash128(hex: text) == nil, "\(text)")
        }
    }

    @Test func `sums of hashes do not depend on the order, and can be taken back`() {
        let hashes = (0..<50).map { Hash128(of: [UInt8($0)]) }
        let sum = hashes.reduce(.zero, &+)
        #expect(hashes.shuffled().reduce(.zero, &+) == sum)
        #expect(hashes.shuffled().reduce(sum, &-) == .zero)
        #expect(Hash128(high: 0, low: .max) &+ Hash128(high: 0, low: 1) == Hash128(high: 1, low: 0))
    }
}
