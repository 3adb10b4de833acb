/// Numbers as values hold them: decimal text, one text for each number.
enum DecimalText {
    /// The longest: that of the least number.
    static let bytesMax = 20

    /// Nil for anything but a whole number of 64 bits, without sign but `-`, leading zeros or spaces.
    static func number(_ bytes: [UInt8]) -> Int64? {
        guard bytes.count <= bytesMax, let number = Int64(String(decoding: bytes, as: UTF8.self)),
            Array("\(number)".utf8) == bytes
        else { return nil }
        return number
    }
}
