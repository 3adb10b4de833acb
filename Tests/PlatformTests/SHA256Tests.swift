import Platform
import Testing

@Suite struct SHA256Tests {
    /// FIPS 180-4's examples, and the hash of nothing.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `a hash is the standard's, in whatever pieces`(text: String, hex: String) {
        let bytes = Array(text.utf8)
        #expect(Hex.encode(SHA256.hash(of: bytes)) == hex)
        for place in 0...bytes.count {
            let pieces = [Array(bytes[..<place]), [], Array(bytes[place...])]
            #expect(Hex.encode(SHA256.hash(of: pieces)) == hex)
        }
    }

    /// RFC 4231, test cases 1 and 2, and 6 with a key that is longer than a block.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0B, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xAA, count: 131),
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func `a code is the standard's`(key: [UInt8], text: String, hex: String) {
        #expect(Hex.encode(SHA256.code(of: Array(text.utf8), key: key)) == hex)
    }

    @Test func `bytes are equal when all of them are`() {
        #expect(SHA256.isEqual([], []))
        #expect(SHA256.isEqual([1, 2], [1, 2]))
        #expect(!SHA256.isEqual([1, 2], [1, 3]))
        #expect(!SHA256.isEqual([1, 2], [1, 2, 3]))
    }
}
