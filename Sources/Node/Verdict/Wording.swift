package import Platform
package import Topology

/// Figures in sentences for people; as in words.js. Pure.
package enum Wording {
    /// Older than this, what was seen of a node says nothing about it now; as OLD_AFTER_SECONDS in words.js.
    package static let oldAfterSeconds = 5.0

    /// "1,204".
    package static func count(_ value: some BinaryInteger) -> String {
        var digits = Array(String(value))
        var place = digits.count - 3
        while place > 0 {
            digits.insert(",", at: place)
            place -= 3
        }
        return String(digits)
    }

    /// "1 entry", "1,204 entries".
    package static func counted(_ value: some BinaryInteger, _ one: String, _ many: String)
        -> String
    {
        "\(count(value)) \(value == 1 ? one : many)"
    }

    package static func bytes(_ value: UInt64) -> String {
        if value < 1000 { return "\(value) B" }
        var rest = Double(value)
        for unit in ["kB", "MB", "GB", "TB"] {
            rest /= 1000
            let text = decimal(rest, places: rest < 100 ? 1 : 0)
            if (Double(text) ?? 0) < 1000 || unit == "TB" { return "\(text) \(unit)" }
        }
        return "\(value) B"
    }

    package static func duration(_ seconds: Double) -> String {
        let whole = Int(max(0, seconds))
        if seconds < 1 { return seconds < 0.05 ? "0 s" : "\(decimal(seconds, places: 1)) s" }
        if whole < 60 { return "\(whole) s" }
        if whole < 600 { return "\(whole / 60) min \(whole % 60) s" }
        if whole < 3600 { return "\(whole / 60) min" }
        if whole < 172_800 { return "\(whole / 3600) h \(whole % 3600 / 60) min" }
        return "\(whole / 86400) days"
    }

    /// "12", "0.4", "1,204".
    package static func perSecond(_ value: Double) -> String {
        if value == 0 { return "0" }
        if value < 0.1 {
            let hundredths = Int((value * 100).rounded())
            return hundredths < 10 ? "0.0\(hundredths)" : "0.1"
        }
        return value < 10
            ? decimal(value, places: 1) : count(Int(min(value, 1e15).rounded()))
    }

    /// Whole seconds.
    package static func age(_ seconds: Double) -> String {
        duration(max(0, seconds).rounded(.down))
    }

    package static func secondsSince(_ time: UnixMilliseconds, _ now: UnixMilliseconds) -> Double {
        now > time ? Double(now.rawValue - time.rawValue) / 1000 : 0
    }

    /// " for 40 s", or "" if nobody knows since when.
    package static func lasting(_ time: UnixMilliseconds?, _ now: UnixMilliseconds) -> String {
        time.map { " for \(age(secondsSince($0, now)))" } ?? ""
    }

    /// A state as a person calls it; as STATES in words.js.
    package static func word(_ state: RunningState) -> String {
        switch state {
        case .serving: "serving"
        case .unconfirmed: "hears no replica"
        case .handingOver: "handing over"
        case .connecting: "connecting"
        case .handshake: "handshake"
        case .fullSync: "full sync"
        case .streaming: "streaming"
        case .backoff: "cannot connect"
        case .stalled: "stalled"
        case .detached: "detached"
        case .fenced: "fenced"
        }
    }

    /// As part of a sentence: without its full stop, and not longer than a person reads.
    package static func brief(_ text: String) -> String {
        let bare = text.hasSuffix(".") ? String(text.dropLast()) : text
        return bare.count > 160 ? "\(bare.prefix(157))…" : bare
    }

    /// "n2", "n2 and n3", "n2, n3 and 4 more".
    package static func names(_ names: [String], of count: Int) -> String {
        let more = count - names.count
        if more > 0 { return "\(names.joined(separator: ", ")) and \(Wording.count(more)) more" }
        guard let last = names.last, names.count > 1 else { return names.first ?? "" }
        return "\(names.dropLast().joined(separator: ", ")) and \(last)"
    }

    /// A sentence with ages in place of the times in it.
    package static func humane(_ text: String, _ now: UnixMilliseconds) -> String {
        let bare = text.hasSuffix(".") ? String(text.dropLast()) : text
        return bare.replacing(/\b(at|since) (\d{4}-\d\d-\d\dT[0-9:.]+Z)/) { match in
            guard let time = UnixMilliseconds(rfc3339: String(match.output.2)) else {
                return String(match.output.0)
            }
            let long = age(secondsSince(time, now))
            return match.output.1 == "at" ? "\(long) ago" : "for \(long)"
        }
    }

    package static func capital(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst()
    }

    /// With no place or one.
    private static func decimal(_ value: Double, places: Int) -> String {
        guard places > 0 else { return "\(Int(value.rounded()))" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
