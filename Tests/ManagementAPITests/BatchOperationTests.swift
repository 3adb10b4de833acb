import Engine
import JSON
import Log
import Testing

@testable import ManagementAPI

@Suite struct BatchOperationTests {
    private func read(_ text: String) throws -> (BatchOperation?, [Problem.Fault]) {
        let faults = FaultList()
        let value = try JSONValue(parsing: Array(text.utf8))
        let operation = try BatchOperation(value, at: "/operations/2", place: 2, faults)
        return (operation, faults.faults)
    }

    @Test func `puts, deletes and checks are read`() throws {
        let key = Array("k".utf8)
        #expect(
            try read(#"{"op":"put","key":"k","value":"v"}"#).0
                == .write(.put(key: key, value: Array("v".utf8))))
        #expect(
            try read(#"{"op":"put","key_base64":"/w==","value_base64":""}"#).0
                == .write(.put(key: [0xFF], value: [])))
        #expect(try read(#"{"op":"delete","key":"k"}"#).0 == .write(.delete(key: key)))
        #expect(
            try read(#"{"op":"check","key":"k","exists":false}"#).0
                == .check(KeyCheck(key: key, expectation: .exists(false), operation: 2)))
        let version = ValueVersion(index: LogIndex(12), ordinal: 3)
        #expect(
            try read(#"{"op":"check","key":"k","etag":"\"12-3\""}"#).0
                == .check(KeyCheck(key: key, expectation: .version(version), operation: 2)))
        #expect(
            try read(#"{"op":"check","key":"k","etag":"\"of-another\""}"#).0
                == .check(KeyCheck(key: key, expectation: .versions([]), operation: 2)))
    }

    @Test(arguments: [
        (#"{"op":"put","key":"k"}"#, "/operations/2/value"),
        (#"{"op":"put","key":"","value":""}"#, "/operations/2/key"),
        (#"{"op":"put","value":""}"#, "/operations/2/key"),
        (#"{"op":"put","key":"k","value":1}"#, "/operations/2/value"),
        (#"{"op":"put","key":"k","value":"","value_base64":""}"#, "/operations/2/value_base64"),
        (#"{"op":"put","key":"k","value_base64":"?"}"#, "/operations/2/value_base64"),
        (#"{"op":"delete","key":"k","value":""}"#, "/operations/2/value"),
        (#"{"op":"check","key":"k"}"#, "/operations/2/etag"),
        (#"{"op":"check","key":"k","etag":"x"}"#, "/operations/2/etag"),
        (#"{"op":"check","key":"k","etag":"\"a\"","exists":true}"#, "/operations/2/etag"),
        (#"{"op":"PUT","key":"k","value":""}"#, "/operations/2/op"),
        (#"{"key":"k"}"#, "/operations/2/op"), ("[]", "/operations/2"),
    ])
    func `a fault is told with its place`(text: String, pointer: String) throws {
        let (_, faults) = try read(text)
        #expect(faults.map(\.pointer).contains(pointer), "\(faults)")
    }

    @Test(arguments: [("5", .seconds(5)), ("null", nil)] as [(String, Duration?)])
    func `a lifetime may be given`(text: String, lifetime: Duration?) throws {
        let (read, faults) = try read(
            #"{"op":"put","key":"k","value":"","ttl_seconds":\#(text)}"#)
        #expect(faults.isEmpty)
        #expect(read == .write(.put(key: [0x6B], value: [], lifetime: lifetime)))
    }

    @Test(arguments: ["0", "-1", "1.5", "\"5\"", "3153600001"])
    func `a lifetime that is none is a fault`(text: String) throws {
        let (_, faults) = try read(#"{"op":"put","key":"k","value":"","ttl_seconds":\#(text)}"#)
        #expect(faults.map(\.pointer) == ["/operations/2/ttl_seconds"])
    }

    @Test func `a key that is too long names the limit`() throws {
        let key = String(repeating: "k", count: 65_536)
        do {
            _ = try read("{\"op\":\"delete\",\"key\":\"\(key)\"}")
            Issue.record("accepted")
        } catch let problem as Problem {
            #expect(problem.status == 413)
            #expect(problem.detail.contains("65535"))
            #expect(problem.faults.first?.pointer == "/operations/2/key")
        }
    }
}
