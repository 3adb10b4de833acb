import ArgumentParser
import HTTPServer
import Platform

/// Where the certificate of the HTTP port is, and its key.
struct TLSFiles {
    private let certificate: String
    private let key: String

    private static let bytesMax = 1 << 20

    /// Nil when neither is given.
    init?(_ flags: Serve, _ environment: Environment) throws {
        switch (
            flags.tlsCertificateFile ?? environment["TLS_CERTIFICATE_FILE"],
            flags.tlsKeyFile ?? environment["TLS_KEY_FILE"]
        ) {
        case (nil, nil):
            return nil
        case (let certificate?, let key?):
            self.certificate = Settings.absolute(certificate)
            self.key = Settings.absolute(key)
        default:
            throw ValidationError("--tls-certificate-file and --tls-key-file come together")
        }
    }

    /// What they hold now.
    func read() throws -> TLSIdentity {
        func text(_ path: String) throws -> String {
            let bytes = try FileSystem.readAll(path, bytesMax: TLSFiles.bytesMax)
            return String(decoding: bytes, as: UTF8.self)
        }
        return TLSIdentity(certificatePEM: try text(certificate), keyPEM: try text(key))
    }
}
