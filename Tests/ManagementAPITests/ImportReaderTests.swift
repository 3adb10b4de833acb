import Engine
import Foundation
import JSON
import Platform
import Testing

@testable import ManagementAPI

/// What imports read, however it is cut into pieces.
@Suite struct ImportReaderTests {
    private let now = UnixMilliseconds(rawValue: 1_700_000_000_000)

    private func items(_ bytes: [UInt8], pieces: Int) -> [String] {
        var reader = ImportReader(now: now)
        var found: [String] = []
        func drain() {
            while let (number, item) = reader.next() { found.append("\(number) \(told(item))") }
        }
        for start in stride(from: 0, to: bytes.count, by: max(1, pieces)) {
            reader.push(Array(bytes[start..<min(bytes.count, start + max(1, pieces))]))
            drain()
        }
        reader.finish()
        drain()
        return found
    }

    private func told(_ item: ImportReader.Item) -> String {
        switch item {
        case .key(let line):
            let expiry = line.expiry.map { "\($0.rawValue)" } ?? "-"
            return "\(line.key)=\(line.value) \(expiry)"
        case .head: return "head"
        case .end(let count): return "end \(count)"
        case .fault(let fault): return fault.code + (fault.isFatal ? "!" : "")
        }
    }

    /// The same items whatever the pieces.
    private func expect(_ bytes: [UInt8], _ wanted: [String]) {
        for pieces in [1, 2, 3, 7, 64, 1 << 20] {
            #expect(items(bytes, pieces: pieces) == wanted, "in pieces of \(pieces)")
        }
    }

    @Test func `lines are read with their numbers, empty ones passed over`() {
        let text = """
            {"convoy_export":1,"namespace":"a"}
            {"key":"a","value":"1"}

              \t
            {"key_base64":"AP8=","value_base64":"","expires_at":"2030-01-31T12:00:00.000Z"}
            {"key":"b","value":"","ttl_seconds":2}\r
            {"key":"c","value":"","expires_at":null,"ttl_seconds":null}
            {"convoy_export_end":1,"count":4}
            """
        let wanted = [
            "1 head", "2 [97]=[49] -", "5 [0, 255]=[] 1896091200000", "6 [98]=[] 1700000002000",
            "7 [99]=[] -", "8 end 4",
        ]
        expect(Array(text.utf8), wanted)
        expect(Array((text + "\n").utf8), wanted)
        expect([], [])
    }

    @Test func `a line that is none is told, and those behind it are read`() {
        let lines = [
            "{", "[]", "7", "{\"key\":\"a\"}", "{\"value\":\"a\"}", "{\"key\":\"\",\"value\":\"\"}",
            "{\"key\":\"a\",\"value\":\"\",\"more\":1}", "{\"key\":\"a\",\"value\":1}",
            "{\"key\":\"a\",\"value\":\"\",\"expires_at\":\"tomorrow\"}",
            "{\"key\":\"a\",\"value\":\"\",\"ttl_seconds\":0}",
            "{\"key\":\"a\",\"value_base64\":\"=\"}", "\u{0}\u{1}x",
            "{\"key\":\"a\",\"value\":\"\"}",
        ]
        let found = items(Array(lines.joined(separator: "\n").utf8), pieces: 5)
        let malformed = "malformed-json"
        let invalid = "invalid-line"
        #expect(
            found == [
                "1 \(malformed)", "2 \(invalid)", "3 \(invalid)", "4 \(invalid)", "5 \(invalid)",
                "6 \(invalid)", "7 unknown-field", "8 \(invalid)", "9 \(invalid)", "10 \(invalid)",
                "11 \(invalid)", "12 \(malformed)", "13 [97]=[] -",
            ])
        #expect(
            items(Array("{\"convoy_export\":2}\n{\"key\":\"a\",\"value\":\"\"}".utf8), pieces: 99)
                == ["1 unknown-version!"])
    }

    @Test func `a line without an end takes no memory, and is one fault`() {
        var reader = ImportReader(now: now, lineBytesMax: 10_000)
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 4_000)
        var found: [String] = []
        for _ in 0..<20 {
            reader.push(piece)
            while let (number, item) = reader.next() { found.append("\(number) \(told(item))") }
        }
        reader.push(Array("\n{\"key\":\"a\",\"value\":\"\"}\n".utf8))
        while let (number, item) = reader.next() { found.append("\(number) \(told(item))") }
        #expect(found == ["1 too-large", "2 [97]=[] -"])
    }

    @Test func `frames say what lines say, and nothing behind a broken one is read`() {
        let values = [[UInt8](repeating: 0, count: 300), [], Array("CONVOYKV".utf8)]
        var bytes = TransferFormat.frames.head(["convoy_export": 1])
        var wanted = ["1 head"]
        for (place, value) in values.enumerated() {
            var writer = ByteWriter()
            writer.little(UInt8(ascii: "K"))
            writer.little(UInt32(2))
            writer.little(UInt32(value.count))
            writer.little(UInt64(place))
            bytes += writer.bytes + [0, UInt8(place)] + value
            wanted.append(
                "\(place + 2) \([0, UInt8(place)])=\(value) \(place == 0 ? "-" : "\(place)")")
        }
        let whole = bytes + TransferFormat.frames.end(count: 3)
        expect(whole, wanted + ["5 end 3"])
        expect(bytes + Array("x and more".utf8), wanted + ["5 malformed-frame!"])
        expect(Array(whole.dropLast()), wanted + ["5 malformed-frame!"])
        expect(Array(bytes.dropLast()), wanted.dropLast() + ["4 malformed-frame!"])
        expect(
            TransferFormat.magic + [UInt8(ascii: "K")] + [UInt8](repeating: 255, count: 16),
            ["1 malformed-frame!"])
        // What only begins like frames is lines.
        expect(Array("CONVOY".utf8), ["1 malformed-json"])
    }

    @Test func `text goes as text, and as Base64 where that is shorter`() {
        func member(_ bytes: [UInt8]) -> String? {
            var object = JSONObject()
            TransferText.put(bytes, into: &object, "value")
            return object.names.first
        }
        #expect(member(Array("two äpfel\n\"".utf8)) == "value")
        #expect(member([]) == "value")
        #expect(member([0xFF]) == "value_base64")
        #expect(member([UInt8](repeating: 1, count: 10)) == "value")
        #expect(member([UInt8](repeating: 1, count: 10_000)) == "value_base64")
    }

    /// `CONVOY_SEED` repeats a run.
    @Test func `whatever bytes come are read alike in any pieces, and to their end`() {
        let given = ProcessInfo.processInfo.environment["CONVOY_SEED"].flatMap { UInt64($0) }
        var random = Numbers(state: given ?? UInt64.random(in: 0...UInt64(UInt32.max)))
        print("bytes to import: CONVOY_SEED=\(random.state)")
        let parts: [[UInt8]] = [
            TransferFormat.magic, Array("{\"key\":\"a\",\"value\":\"b\"}".utf8), [10], [10, 13],
            Array("{\"convoy_export\":1}\n".utf8), Array("K\u{1}\0\0\0\u{1}\0\0\0".utf8),
            [UInt8](repeating: 0, count: 10), Array("E\u{2}\0\0\0{}".utf8), [0xFF, 0xFE], [34],
        ]
        for _ in 0..<400 {
            var bytes = Bool.random(using: &random) ? TransferFormat.magic : []
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                bytes += parts.randomElement(using: &random) ?? []
            }
            if !bytes.isEmpty, Bool.random(using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(
                    in: 0...255, using: &random)
            }
            let whole = items(bytes, pieces: 1 << 20)
            #expect(items(bytes, pieces: 1) == whole, "\(bytes)")
            #expect(
                items(bytes, pieces: Int.random(in: 2...20, using: &random)) == whole, "\(bytes)")
        }
    }

    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }
}
