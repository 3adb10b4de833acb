/// Why a node must not become primary now, where several places say so.
extension NodeReport.Veto {
    static let isPrimary = NodeReport.Veto(
        code: "is-primary", detail: "the node is the primary already")
    static let undecided = NodeReport.Veto(
        code: "undecided", detail: "the node was primary, and asks around before it reigns again")
    static let catalogDiffers = NodeReport.Veto(
        code: AlarmCode.catalogDiffers.rawValue, detail: "the node's catalog is not the primary's")
    static let historyDamaged = NodeReport.Veto(
        code: AlarmCode.historyDamaged.rawValue,
        detail: "the node's history is not its upstream's, though both are of one reign")
}
