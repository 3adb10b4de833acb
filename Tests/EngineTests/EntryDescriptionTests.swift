import Log
import Platform
import Testing

@testable import Engine

@Suite struct EntryDescriptionTests {
    private func record(_ operations: WriteOperations) -> Record {
        Record(
            after: .origin, reign: Reign(term: 1, holder: NodeNumber(rawValue: 1)), kind: .data,
            time: UnixMilliseconds(rawValue: 1),
            payload: EntryPayload(counters: [], operations: operations).bytes)
    }

    @Test func `an entry is told in the words of its user`() {
        let namespace = NamespaceID(rawValue: 7)
        let value = StoredValue(
            version: ValueVersion(index: LogIndex(1), ordinal: 0), bytes: [1, 2, 3])
        var operations = WriteOperations()
        operations.put(Key.data(namespace, epoch: 2, [65, 66]), value.encoded())
        operations.delete(Key.data(namespace, epoch: 2, [67]))
        operations.deleteRange(
            from: Key.data(namespace, epoch: 0, []), to: Key.data(namespace, epoch: 3, []))
        operations.put(Key.catalog(.namespace, [0, 0, 0, 7]), [1])
        operations.put(Key.answerLedger, AnswerLedger().encoded())

        let writes = record(operations).describedWrites
        #expect(writes?.map(\.operation) == [.put, .delete, .empty, .catalog])
        #expect(writes?.map(\.namespace) == [namespace, namespace, namespace, nil])
        #expect(writes?.map(\.key) == [[65, 66], [67], nil, nil])
        #expect(writes?.first?.value == [1, 2, 3])
    }

    @Test func `a payload that cannot be read is not told as empty`() {
        let damaged = Record(
            after: .origin, reign: Reign(term: 1, holder: NodeNumber(rawValue: 1)), kind: .data,
            time: UnixMilliseconds(rawValue: 1), payload: [9, 9])
        #expect(damaged.describedWrites == nil)
    }
}
