internal import COpenSSL
internal import Raft

/// A private key of OpenSSL, owned.
final class PrivateKey: @unchecked Sendable {
    // @unchecked: an EVP_PKEY is only read once it has been made; its reference count is atomic.
    let pointer: OpaquePointer

    /// A new key on the curve P-256.
    init() throws(RaftError) {
        ERR_clear_error()
        let context = EVP_PKEY_CTX_new_from_name(nil, "EC", nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_group_name(context, "P-256") == 1,
            EVP_PKEY_generate(context, &key) == 1, let key
        else { throw RaftError(.transport, "cannot make a key: \(OpenSSLErrors.take())") }
        pointer = key
    }

    /// Reads a PEM file that only its owner may read.
    init(file: String) throws(RaftError) {
        pointer = try X509Certificate.reading(try SecureFile.read(file, .key), path: file) {
            source throws(RaftError) in
            // Without a callback of ours OpenSSL would ask the terminal for a password.
            guard let key = PEM_read_bio_PrivateKey(source, nil, { _, _, _, _ in -1 }, nil) else {
                throw RaftError(
                    .transport,
                    "key file \(file) cannot be read: \(OpenSSLErrors.take()); it must hold one PEM private key without a password"
                )
            }
            return key
        }
    }

    deinit { EVP_PKEY_free(pointer) }

    /// PKCS #8, PEM.
    func pem() throws(RaftError) -> String {
        guard let sink = BIO_new(BIO_s_mem()) else { throw RaftError(.transport, "out of memory writing a key") }
        defer { BIO_free(sink) }
        guard PEM_write_bio_PrivateKey(sink, pointer, nil, nil, 0, nil, nil) == 1 else {
            throw RaftError(.transport, "cannot write a key: \(OpenSSLErrors.take())")
        }
        return X509Certificate.drain(sink)
    }
}
