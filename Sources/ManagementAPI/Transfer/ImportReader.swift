import Engine
import JSON
import Platform

/// Takes the body of an import apart, as it comes: JSON lines, or frames where it begins with their magic.
/// Pure: bytes in, items out. Holds at most one item that is not complete.
struct ImportReader {
    enum Item: Equatable {
        case key(ImportedKey)
        /// An export begins.
        case head
        /// It is complete, with so many keys.
        case end(count: Int)
        case fault(Fault)
    }

    /// Something that cannot be imported.
    struct Fault: Equatable {
        var code: String
        var detail: String
        /// Nothing behind it can be read.
        var isFatal = false
    }

    /// An item, and the line (of frames: the frame) that it is; from 1.
    typealias Numbered = (number: Int, item: Item)

    /// Of one JSON line: the longest key and value as Base64 fit.
    static let lineBytesMaxDefault = 48 << 20

    private enum Format { case unknown, lines, frames }

    /// Of a lifetime in seconds the end is so much after now.
    let now: UnixMilliseconds
    let lineBytesMax: Int
    private var format = Format.unknown
    private var bytes: [UInt8] = []
    private var start = 0
    /// How far there is no line's end.
    private var searched = 0
    private var number = 0
    /// A line that is too long is passed over, to its end.
    private var isPassing = false
    private var isComplete = false
    private var hasFailed = false

    init(now: UnixMilliseconds, lineBytesMax: Int = ImportReader.lineBytesMaxDefault) {
        self.now = now
        self.lineBytesMax = lineBytesMax
    }

    /// What came next; nothing may come after ``finish()``.
    mutating func push(_ more: [UInt8]) {
        if start > 0 {
            bytes.removeFirst(start)
            searched -= start
            start = 0
        }
        bytes += more
    }

    /// That was all.
    mutating func finish() { isComplete = true }

    /// The next item; nil when more has to come, or nothing will.
    mutating func next() -> Numbered? {
        if hasFailed { return nil }
        if format == .unknown { chooseFormat() }
        let found: Numbered? =
            switch format {
            case .unknown: nil
            case .lines: nextLine()
            case .frames: nextFrame()
            }
        if case .fault(let fault) = found?.item, fault.isFatal { hasFailed = true }
        return found
    }

    private mutating func chooseFormat() {
        let magic = TransferFormat.magic
        let begin = bytes.prefix(magic.count)
        guard begin.count == magic.count || !magic.starts(with: begin) || isComplete else { return }
        guard begin.elementsEqual(magic) else {
            format = .lines
            return
        }
        format = .frames
        start = magic.count
        searched = start
    }

    // MARK: - Lines

    private mutating func nextLine() -> Numbered? {
        while true {
            guard let end = endOfLine() else {
                if !isPassing, bytes.count - start > lineBytesMax {
                    isPassing = true
                    number += 1
                    drop()
                    return (number, .fault(tooLong))
                }
                if isPassing { drop() }
                guard isComplete, start < bytes.count, !isPassing else { return nil }
                return line(to: bytes.count)
            }
            if isPassing {
                isPassing = false
                start = end + 1
                continue
            }
            let found = line(to: end)
            start = min(end + 1, bytes.count)
            if let found { return found }
        }
    }

    private mutating func drop() {
        start = bytes.count
        searched = start
    }

    private mutating func endOfLine() -> Int? {
        let end = bytes[max(start, searched)...].firstIndex(of: UInt8(ascii: "\n"))
        searched = end.map { $0 + 1 } ?? bytes.count
        return end
    }

    /// Nil of an empty line.
    private mutating func line(to end: Int) -> Numbered? {
        number += 1
        let text = bytes[start..<end]
        start = end
        guard text.contains(where: { $0 > 0x20 }) else { return nil }
        guard text.count <= lineBytesMax else {
            return (number, .fault(tooLong))
        }
        return (number, ImportLine.item(Array(text), now: now))
    }

    private var tooLong: Fault {
        Fault(code: "too-large", detail: "A line has at most \(lineBytesMax) bytes.")
    }

    // MARK: - Frames

    private mutating func nextFrame() -> Numbered? {
        guard start < bytes.count else { return nil }
        number += 1
        switch frame() {
        case .item(let item, let count):
            start += count
            return (number, item)
        case .incomplete:
            guard isComplete else {
                number -= 1
                return nil
            }
            return (number, .fault(ImportReader.broken("The last frame is cut off.")))
        case .fault(let detail):
            return (number, .fault(ImportReader.broken(detail)))
        }
    }

    private enum Frame {
        case item(Item, count: Int)
        case incomplete
        case fault(String)
    }

    private static func broken(_ detail: String) -> Fault {
        Fault(code: "malformed-frame", detail: detail, isFatal: true)
    }

    /// Of the object in an `H` or `E` frame.
    private static let objectBytesMax = 1 << 20

    private func frame() -> Frame {
        var reader = ByteReader(bytes, in: start..<bytes.count)
        guard let mark: UInt8 = reader.little() else { return .incomplete }
        switch mark {
        case TransferFormat.keyMark:
            return keyFrame(&reader)
        case TransferFormat.headMark, TransferFormat.endMark:
            guard let count: UInt32 = reader.little() else { return .incomplete }
            guard count <= ImportReader.objectBytesMax else {
                return .fault("An object of more than \(ImportReader.objectBytesMax) bytes.")
            }
            guard let text = reader.take(Int(count)) else { return .incomplete }
            return .item(ImportLine.item(text, now: now), count: 5 + text.count)
        default:
            return .fault("A frame begins with a byte that is none of H, K and E.")
        }
    }

    private func keyFrame(_ reader: inout ByteReader) -> Frame {
        guard let keyBytes: UInt32 = reader.little(), let valueBytes: UInt32 = reader.little(),
            let expiry: UInt64 = reader.little()
        else { return .incomplete }
        guard keyBytes <= Key.userKeyBytesMax, valueBytes <= StoredValue.bytesMax else {
            return .fault(
                "A key has at most \(Key.userKeyBytesMax) bytes, and a value \(StoredValue.bytesMax)."
            )
        }
        guard reader.remaining >= Int(keyBytes) + Int(valueBytes),
            let key = reader.take(Int(keyBytes)), let value = reader.take(Int(valueBytes))
        else { return .incomplete }
        let count = TransferFormat.keyFrameHeadBytes + key.count + value.count
        guard !key.isEmpty else {
            return .item(
                .fault(Fault(code: "invalid-line", detail: "The key is empty.")), count: count)
        }
        guard expiry <= ImportLine.expiryMax else {
            let detail = "The expiry is beyond the year 9999."
            return .item(.fault(Fault(code: "invalid-line", detail: detail)), count: count)
        }
        return .item(
            .key(
                ImportedKey(
                    key: key, value: value,
                    expiry: expiry == 0 ? nil : UnixMilliseconds(rawValue: expiry))),
            count: count)
    }
}
