import Glibc
import Platform

/// Tells what was done, and how long it took.
final class Diary {
    private let beganAt = MonotonicTime.now()
    private var lastNoteAt = MonotonicTime.now()

    var secondsSinceLastNote: Double { (MonotonicTime.now() - lastNoteAt).inSeconds }

    /// With the time since the note before.
    func note(_ sentence: String) {
        line(Diary.seconds(secondsSinceLastNote), sentence)
        lastNoteAt = .now()
    }

    func end(_ word: String) {
        line("", "\(word), in \(Diary.seconds((MonotonicTime.now() - beganAt).inSeconds)) in all.")
    }

    private func line(_ time: String, _ sentence: String) {
        print(String(repeating: " ", count: max(0, 8 - time.count)) + time + "  " + sentence)
        fflush(nil)  // Also when somebody reads through a pipe.
    }

    static func seconds(_ seconds: Double) -> String {
        let hundredths = Int((seconds * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
    }

    static func megabytes(_ bytes: Int) -> String {
        "\((Double(bytes) / 1e5).rounded() / 10) MB"
    }
}
