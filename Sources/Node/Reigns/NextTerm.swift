import Log

/// The term of a reign that is above all that are known. Terms never repeat, so there is an end to
/// them: a node that claims to know of the last one must not stop the process.
enum NextTerm {
    /// Terms that a bid skips which cannot know of all reigns: one that only silent nodes have heard
    /// of must not undo what is written after the loss was accepted.
    static let unheardTerms: UInt32 = 1_000

    /// Nil: none is left.
    static func above(_ highest: UInt32, mayMissReigns: Bool = false) -> UInt32? {
        let (term, overflows) = highest.addingReportingOverflow(mayMissReigns ? unheardTerms : 1)
        return overflows ? nil : term
    }

    static func exhausted(_ highest: UInt32) -> String {
        "no term is left above \(highest), which this node has heard of; a reign of that term can only come of damage: take the node that knows it out of the topology"
    }
}
