/// Stops the process when `condition` is false, also in release builds, and says why.
///
/// `assert` is gone under `-O` and `precondition` loses its text there; `fatalError` keeps it.
public func invariant(
    _ condition: Bool, _ message: @autoclosure () -> String,
    file: StaticString = #fileID, line: UInt = #line
) {
    if !condition { fatalError("invariant broken: \(message())", file: file, line: line) }
}
