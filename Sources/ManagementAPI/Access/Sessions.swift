import Access
import HTTPServer
import Platform

/// The browsers that have logged in at this node, each in the right of one token. In memory alone: a
/// restart ends them all, and so does whatever ends the token.
final class Sessions: Sendable {
    /// Of the cookie. With the node's name, for cookies do not tell the ports of a host apart.
    let cookie: String
    private let table = Monitor<[[UInt8]: Session]>([:])

    static let lifetime: Duration = .seconds(8 * 3600)
    static let countMax = 1_000

    struct Session: Sendable {
        var tokenID: String
        var endsAt: MonotonicTime
    }

    init(node name: String) { cookie = "convoy_\(name)" }

    /// Begins one; when there are too many, the one that ends first goes.
    func begin(tokenID: String) -> SessionKey {
        let key = SessionKey()
        let now = MonotonicTime.now()
        table.withLock { table in
            table = table.filter { $0.value.endsAt > now }
            if table.count >= Sessions.countMax,
                let oldest = table.min(by: { $0.value.endsAt < $1.value.endsAt })
            {
                table[oldest.key] = nil
            }
            table[key.hash] = Session(tokenID: tokenID, endsAt: now + Sessions.lifetime)
        }
        return key
    }

    /// Ends the session of a request, if it has one.
    func end(_ head: RequestHead) {
        for key in keys(head) { table.withLock { $0[key.hash] = nil } }
    }

    /// The token in whose right a request's session is; nil without one that has not ended.
    func tokenID(_ head: RequestHead) -> String? {
        let now = MonotonicTime.now()
        for key in keys(head) {
            let found = table.withLock { $0[key.hash] }
            if let found, found.endsAt > now { return found.tokenID }
        }
        return nil
    }

    // MARK: - Cookies

    /// More than one when a browser has several of that name, for other paths.
    private func keys(_ head: RequestHead) -> [SessionKey] {
        head.headers(named: "Cookie").flatMap { $0.split(separator: ";") }.prefix(64)
            .compactMap { pair in
                let parts = pair.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, parts[0].drop(while: { $0 == " " }) == cookie else {
                    return nil
                }
                return SessionKey(text: String(parts[1]))
            }
    }

    /// What a browser is told to keep, or, with nil, to forget.
    func setCookie(_ key: SessionKey?, isSecure: Bool) -> (name: String, value: String) {
        let age = key == nil ? 0 : Sessions.lifetime.components.seconds
        let value =
            "\(cookie)=\(key?.text ?? ""); Path=/; Max-Age=\(age); HttpOnly; SameSite=Strict"
        return (name: "Set-Cookie", value: isSecure ? value + "; Secure" : value)
    }
}
