import Platform

/// How fast something flows, over about the last two seconds. Pure.
struct TransferRate: Sendable {
    private struct Sample {
        var time: MonotonicTime
        var bytes: UInt64
    }

    private var samples: [Sample] = []

    static let window = Duration.seconds(2)
    static let spacing = Duration.milliseconds(100)

    /// Takes note of so many bytes in all.
    mutating func note(_ bytes: UInt64, at now: MonotonicTime) {
        if let last = samples.last, now - last.time < TransferRate.spacing { return }
        samples.append(Sample(time: now, bytes: bytes))
        while samples.count > 2, now - samples[1].time >= TransferRate.window {
            samples.removeFirst()
        }
    }

    /// Zero before there is anything to compare.
    func bytesPerSecond(_ bytes: UInt64, at now: MonotonicTime) -> Double {
        guard let first = samples.first, now > first.time, bytes >= first.bytes else { return 0 }
        return Double(bytes - first.bytes) / (now - first.time).inSeconds
    }
}
