import ClusterKit

/// What `apt-cache dumpavail` prints: real records, of uneven size.
struct PackageIndex: Sendable {
    struct Record: Sendable {
        let name: String
        let stanza: [UInt8]
    }

    /// One for each name, in the order in which the names came; of several stanzas the last.
    let records: [Record]
    let stanzaCount: Int
    var byteCount: Int { records.reduce(0) { $0 + $1.stanza.count } }

    init() throws {
        let run = try CommandRun("/usr/bin/apt-cache", ["dumpavail"], within: .seconds(60))
        guard run.exitCode == 0 else {
            throw ClusterFailure("apt-cache ended with \(run.exitCode): \(run.errors)")
        }
        var places: [String: Int] = [:]
        var records: [Record] = []
        var count = 0
        for stanza in PackageIndex.stanzas(of: run.output) {
            guard let name = PackageIndex.name(in: stanza) else { continue }
            count += 1
            let record = Record(name: name, stanza: Array(stanza))
            if let place = places[name] {
                records[place] = record
            } else {
                places[name] = records.count
                records.append(record)
            }
        }
        guard !records.isEmpty else {
            throw ClusterFailure("apt-cache knows no packages: run `apt-get update` first")
        }
        self.records = records
        stanzaCount = count
    }

    /// What stands between empty lines.
    private static func stanzas(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        let newline = UInt8(ascii: "\n")
        var stanzas: [ArraySlice<UInt8>] = []
        var start = 0
        for place in bytes.indices.dropLast()
        where bytes[place] == newline && bytes[place + 1] == newline {
            if start < place { stanzas.append(bytes[start...place]) }
            start = place + 2
        }
        if start < bytes.count { stanzas.append(bytes[start...]) }
        return stanzas
    }

    private static func name(in stanza: ArraySlice<UInt8>) -> String? {
        let label = Array("Package: ".utf8)
        guard stanza.starts(with: label) else { return nil }
        let rest = stanza.dropFirst(label.count).prefix { $0 != UInt8(ascii: "\n") }
        return rest.isEmpty ? nil : String(decoding: rest, as: UTF8.self)
    }
}
