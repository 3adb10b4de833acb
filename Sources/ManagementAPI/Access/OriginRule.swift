import HTTPServer

/// Which pages may have a browser send a change: those of this very server.
enum OriginRule {
    /// Nil when the request may be let in. `origin`, `site` and `host` are the headers `Origin`,
    /// `Sec-Fetch-Site` and `Host`, the last already found to be one of this node's.
    static func refusal(
        method: HTTPMethod, origin: String?, site: String?, host: String?, isSecure: Bool
    ) -> Problem? {
        if method == .get || method == .head { return nil }
        if let site, site != "same-origin", site != "none" {
            return .badOrigin("A page of another site cannot change anything here.")
        }
        guard let origin else { return nil }
        guard let host,
            normalized(origin) == normalized((isSecure ? "https://" : "http://") + host)
        else { return .badOrigin("A page of another origin cannot change anything here.") }
        return nil
    }

    /// Lower case, and without the port that its scheme implies.
    private static func normalized(_ origin: String) -> String {
        let origin = origin.lowercased()
        for (scheme, port) in [("http://", ":80"), ("https://", ":443")]
        where origin.hasPrefix(scheme) && origin.hasSuffix(port) {
            return String(origin.dropLast(port.count))
        }
        return origin
    }
}
