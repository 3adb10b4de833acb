public import Engine

/// Verifies the data directory of a node that does not run.
public enum DataDirectoryCheck {
    /// Reads everything, and changes nothing. Blocks for as long as that takes.
    public static func verify(dataPath: String) -> EngineReport {
        var report = EngineVerifier.verify(dataPath: dataPath) { incarnation in
            SyncedIndexFile.read(in: dataPath, incarnation: incarnation.name)
        }
        guard report.wasRead else { return report }
        do {
            _ = try FactsFile.read(in: dataPath)
        } catch {
            report.find(.damage, dataPath + "/node.json", "\(error)")
        }
        return report
    }
}
