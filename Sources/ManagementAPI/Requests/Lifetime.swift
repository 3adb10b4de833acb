import Engine
import Platform

/// How long a value lives, as requests say it: whole seconds from the moment of the write.
struct Lifetime {
    /// Nil: for ever.
    let duration: Duration?

    static let secondsMax = Int(KeyWrite.lifetimeMax.components.seconds)

    /// The field `ttl_seconds`, which may be null; nil when it is absent or at fault.
    static func read(_ fields: Fields, isRequired: Bool) -> Lifetime? {
        if fields.has("ttl_seconds"), fields.isNil("ttl_seconds") { return Lifetime(duration: nil) }
        return fields.integer("ttl_seconds", in: 1...secondsMax, isRequired: isRequired)
            .map { Lifetime(duration: .seconds($0)) }
    }
}
