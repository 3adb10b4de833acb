import CCrypto

/// SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104) by OpenSSL's libcrypto, for what somebody might want
/// to forge or find out. Any thread may call these; none blocks.
public enum SHA256 {
    /// Of a hash and of a code, in bytes.
    public static let bytesCount = Int(SHA256_DIGEST_LENGTH)

    public static func hash(of bytes: [UInt8]) -> [UInt8] { hash(of: [bytes]) }

    /// Of the pieces one after the other.
    public static func hash(of pieces: [[UInt8]]) -> [UInt8] {
        _ = SHA256.prepare
        guard let context = EVP_MD_CTX_new() else { fatalError("out of memory") }
        defer { EVP_MD_CTX_free(context) }
        var isDone = EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
        for piece in pieces where isDone {
            isDone = EVP_DigestUpdate(context, piece, piece.count) == 1
        }
        var hash = [UInt8](repeating: 0, count: bytesCount)
        isDone = isDone && EVP_DigestFinal_ex(context, &hash, nil) == 1
        invariant(isDone, "libcrypto has no SHA-256, or no memory")
        return hash
    }

    /// The code that proves that who made it knew the key.
    public static func code(of bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        _ = SHA256.prepare
        var code = [UInt8](repeating: 0, count: bytesCount)
        let made = HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &code, nil)
        invariant(made != nil, "libcrypto has no HMAC-SHA256, or no memory")
        return code
    }

    /// Compares in a time that does not depend on where they differ.
    public static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count == b.count && CRYPTO_memcmp(a, b, a.count) == 0
    }

    /// Else the library frees, when the process exits, what another thread may still be using.
    private static let prepare: Void = {
        let isReady = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1
        invariant(isReady, "libcrypto does not start")
    }()
}
