public import Engine

/// Verifies the data directory of a node that does not run.
public enum DataDirectoryCheck {
    /// Reads everything, and changes nothing. Blocks for as long as that takes.
    public static func verify(dataPath: String) -> EngineReport {
        EngineVerifier.verify(dataPath: dataPath) { incarnation in
            SyncedIndexFile.read(in: dataPath, incarnation: incarnation.name)
        }
    }
}
