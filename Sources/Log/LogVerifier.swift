public import Platform

/// What a full read of a log found.
public struct LogReport: Sendable, Equatable {
    public var lineage: Lineage?
    /// The position before the first record, and that of the last verified one.
    public var start: Position?
    public var last: Position?
    public var segments = 0
    public var records: UInt64 = 0
    public var bytes: UInt64 = 0
    public var firstTime: UnixMilliseconds?
    public var lastTime: UnixMilliseconds?
    public var lastReign: Reign?
    public var findings: [Finding] = []

    /// Whether a start would serve from this log without losing anything that was in it.
    public var isSound: Bool { findings.allSatisfy { $0.weight == .note } }

    public struct Finding: Sendable, Equatable, CustomStringConvertible {
        public var weight: Weight
        public var file: String
        public var offset: UInt64
        /// A clause.
        public var what: String

        public var description: String { "\(file) at byte \(offset): \(what)" }
    }

    public enum Weight: Sendable {
        /// A start tidies it up, and nothing is lost.
        case note
        /// The end of the newest segment is no record, as a crash leaves it. A start cuts it, unless
        /// it was known to be on disk.
        case torn
        /// A start refuses, or would if it read this far back.
        case damage
    }
}

/// Reads a log from end to end, for `convoy check`. Changes nothing.
public enum LogVerifier {
    /// Reads every segment in `directory` and verifies headers, the chain through all records, and
    /// that times and reigns never go back. Goes on with the next segment after a finding. Blocks for
    /// as long as reading takes.
    ///
    /// A node that is running may be appending: its newest bytes can then look torn.
    public static func verify(directory: String) -> LogReport {
        var walk = VerifierWalk()
        do throws(FileError) {
            let present = try SegmentName.list(directory)
            if present.isEmpty { walk.find(.damage, directory, 0, "there is no log segment") }
            for name in try FileSystem.list(directory) where SegmentName.first(of: name) == nil {
                walk.find(.note, "\(directory)/\(name)", 0, "this is no segment of the log")
            }
            for first in present {
                walk.segment(
                    SegmentName.path(directory, first: first), first,
                    isNewest: first == present.last)
            }
        } catch { walk.find(.damage, directory, 0, "it cannot be read: \(error)") }
        return walk.report
    }
}

private struct VerifierWalk {
    private(set) var report = LogReport()
    private var newest: SegmentScanner.Stamp?
    private var previousFirst: LogIndex?

    mutating func find(
        _ weight: LogReport.Weight, _ file: String, _ offset: UInt64, _ what: String
    ) {
        report.findings.append(
            LogReport.Finding(weight: weight, file: file, offset: offset, what: what))
    }

    mutating func segment(_ path: String, _ first: LogIndex, isNewest: Bool) {
        do throws(FileError) {
            let file = try File(path, .read)
            let size = try file.size()
            let bytes = try file.read(at: 0, count: SegmentHeader.bytes)
            do throws(SegmentHeader.Fault) {
                let header = try SegmentHeader.decode(bytes)
                begin(header, path, first)
                records(of: file, header, size, isNewest: isNewest)
            } catch {
                // As after a crash between making the file and its header.
                let isEmpty = isNewest && size <= UInt64(SegmentHeader.bytes)
                find(isEmpty ? .torn : .damage, path, 0, error.words)
            }
        } catch { find(.damage, path, 0, "it cannot be read: \(error)") }
    }

    private mutating func begin(_ header: SegmentHeader, _ path: String, _ first: LogIndex) {
        if header.first != first {
            find(.damage, path, 0, "the header says that it begins with entry \(header.first)")
        }
        if let lineage = report.lineage, lineage != header.lineage {
            find(.damage, path, 0, "the segment is of another lineage, \(header.lineage)")
        }
        if header.previousFirst == .zero {
            restart(path)
        } else if let previousFirst, previousFirst != header.previousFirst {
            find(
                .damage, path, 0,
                "the segment follows one that begins with entry \(header.previousFirst), and the one "
                    + "before begins with \(previousFirst)")
        } else if let last = report.last, last != header.start {
            find(
                .damage, path, 0,
                "the segment follows \(header.start), and the one before ends at \(last)")
        }
        report.lineage = header.lineage
        report.start = report.start ?? header.start
        report.last = header.start
        previousFirst = header.first
    }

    /// The log begins here: what was read so far is of one that it replaced.
    private mutating func restart(_ path: String) {
        guard report.segments > 0 else { return }
        let findings = report.findings.filter { $0.weight == .note }
        report = LogReport(findings: findings)
        newest = nil
        find(.note, path, 0, "the log begins here; the next start removes the segments before")
    }

    private mutating func records(
        of file: File, _ header: SegmentHeader, _ size: UInt64, isNewest: Bool
    ) {
        report.segments += 1
        report.bytes += size
        var scanner = SegmentScanner(
            file, from: UInt64(SegmentHeader.bytes), to: size, after: header.start, newest: newest)
        do throws(SegmentScanner.Fault) {
            while let record = try scanner.next() {
                report.records += 1
                report.firstTime = report.firstTime ?? record.time
            }
        } catch {
            switch error {
            case .io(let error): find(.damage, file.path, scanner.offset, "\(error)")
            case .record(let fault):
                find(
                    isNewest && fault.canBeTorn ? .torn : .damage, file.path, scanner.offset,
                    "\(fault.words); \(size - scanner.offset) bytes follow the last good record, "
                        + "entry \(scanner.position.index)")
            }
        }
        report.last = scanner.position
        newest = scanner.newest
        report.lastTime = newest?.time
        report.lastReign = newest?.reign
    }
}
