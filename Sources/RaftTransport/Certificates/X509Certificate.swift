internal import COpenSSL
internal import Glibc
internal import Raft

/// A certificate of OpenSSL, owned.
final class X509Certificate: @unchecked Sendable {
    // @unchecked: an X509 is only read once it has been made, and OpenSSL's caches inside it have their own locks.
    let pointer: OpaquePointer

    /// Takes over one reference.
    init(owning pointer: OpaquePointer) { self.pointer = pointer }
    deinit { X509_free(pointer) }

    /// The certificates of a PEM file, at least one.
    static func all(in bytes: [UInt8], path: String, _ kind: SecureFile.Kind) throws(RaftError) -> [X509Certificate] {
        let (certificates, isWhole) = try readPEM(bytes, path: path) {
            PEM_read_bio_X509($0, nil, nil, nil).map(X509Certificate.init(owning:))
        }
        guard !certificates.isEmpty, isWhole else {
            throw RaftError(
                .transport,
                "\(kind.rawValue) file \(path) \(certificates.isEmpty ? "holds no certificate" : "is damaged after certificate \(certificates.count)"); it must hold PEM certificates"
            )
        }
        return certificates
    }

    /// What `next` reads of a file, one after another, and whether nothing but text is left then.
    static func readPEM<Item>(
        _ bytes: [UInt8], path: String, _ next: (OpaquePointer) -> Item?
    ) throws(RaftError) -> (items: [Item], isWhole: Bool) {
        try reading(bytes, path: path) { source in
            var items: [Item] = []
            while let item = next(source) { items.append(item) }
            let last = ERR_peek_last_error()
            ERR_clear_error()
            let isWhole = ERR_reason_error_string(last).map { String(cString: $0) } == "no start line"
            return (items, isWhole)
        }
    }

    /// Lets OpenSSL read bytes of a file. It does not copy them: they must stay where they are until it is done.
    static func reading<Result>(
        _ bytes: [UInt8], path: String, _ body: (OpaquePointer) throws(RaftError) -> Result
    ) throws(RaftError) -> Result {
        try bytes.withUnsafeBufferPointer { bytes throws(RaftError) in
            ERR_clear_error()
            guard let source = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else {
                throw RaftError(.transport, "\(path) is empty, or there is no memory to read it")
            }
            defer { BIO_free(source) }
            return try body(source)
        }
    }

    struct AlternativeNames {
        var uris: [String] = []
        var dns: [String] = []
        var ips: [String] = []
    }

    /// The subject alternative names. A name with an inner zero byte or outside ASCII shows as empty, which nothing
    /// accepts.
    var alternativeNames: AlternativeNames {
        var names = AlternativeNames()
        guard let extensions = X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil) else { return names }
        let list = OpaquePointer(extensions)
        defer { GENERAL_NAMES_free(list) }
        for position in 0..<OPENSSL_sk_num(list) {
            guard let item = OPENSSL_sk_value(list, position) else { continue }
            let name = item.assumingMemoryBound(to: GENERAL_NAME.self).pointee
            switch name.type {
            case GEN_URI: names.uris.append(Self.text(name.d.uniformResourceIdentifier))
            case GEN_DNS: names.dns.append(Self.text(name.d.dNSName))
            case GEN_IPADD: names.ips.append(Self.address(name.d.iPAddress))
            default: break
            }
        }
        return names
    }

    static func octets(_ string: UnsafePointer<ASN1_STRING>?) -> UnsafeBufferPointer<UInt8> {
        guard let string, let data = ASN1_STRING_get0_data(string) else {
            return UnsafeBufferPointer(start: nil, count: 0)
        }
        return UnsafeBufferPointer(start: data, count: Int(ASN1_STRING_length(string)))
    }

    private static func text(_ string: UnsafePointer<ASN1_STRING>?) -> String {
        let bytes = octets(string)
        return bytes.allSatisfy { (0x20..<0x7f).contains($0) } ? String(decoding: bytes, as: UTF8.self) : ""
    }

    private static func address(_ string: UnsafePointer<ASN1_STRING>?) -> String {
        let bytes = octets(string)
        guard bytes.count == 4 || bytes.count == 16 else { return "" }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes.baseAddress, &text, socklen_t(text.count))
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    /// The one identity of a leaf that may be used on a connection.
    ///
    /// - Throws: with the reason, unless there is exactly one URI, it is ours, the certificate is no authority, and it
    ///   says what it may be used for.
    func principal() throws(RaftError) -> Principal {
        let uris = alternativeNames.uris
        guard uris.count == 1 else {
            throw RaftError(
                .transport,
                "certificate \(subject) has \(uris.count) URI names; an identity is exactly one, raft://<cluster>/<role>/<name>"
            )
        }
        let principal = try Principal(uri: uris[0])
        // Not only what OpenSSL would let sign others: one that claims to be an authority, and whose usage forbids it, is
        // no leaf either.
        guard X509_check_ca(pointer) == 0, X509_get_extension_flags(pointer) & UInt32(EXFLAG_CA) == 0 else {
            throw RaftError(.transport, "certificate \(subject) is an authority; those identify nobody")
        }
        guard X509_get_extended_key_usage(pointer) != UInt32.max else {
            throw RaftError(.transport, "certificate \(subject) has no extended key usage (clientAuth, serverAuth)")
        }
        return principal
    }

    var subject: String { Self.line(X509_get_subject_name(pointer)) }
    var issuer: String { Self.line(X509_get_issuer_name(pointer)) }

    /// XN_FLAG_RFC2253, a macro that Swift does not see.
    private static let rfc2253: UInt = 0x111_0317

    static func line(_ name: OpaquePointer?) -> String {
        guard let sink = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(sink) }
        // RFC 2253 escapes control characters, so a name cannot forge a log line.
        X509_NAME_print_ex(sink, name, 0, rfc2253)
        return drain(sink)
    }

    /// Everything in a memory BIO, as text.
    static func drain(_ bio: OpaquePointer) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(BIO_ctrl_pending(bio)))
        let count = BIO_read(bio, &bytes, Int32(bytes.count))
        return String(decoding: bytes.prefix(max(0, Int(count))), as: UTF8.self)
    }

    /// Seconds since 1970.
    var notBefore: Int64 { Self.seconds(X509_get0_notBefore(pointer)) }
    var notAfter: Int64 { Self.seconds(X509_get0_notAfter(pointer)) }

    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var parts = tm()
        guard ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
        return Int64(timegm(&parts))
    }

    /// Negative before, 0 within, positive after its validity, by the wall clock, as the handshake will see it.
    var validityNow: Int {
        if X509_cmp_time(X509_get0_notBefore(pointer), nil) > 0 { return -1 }
        return X509_cmp_time(X509_get0_notAfter(pointer), nil) < 0 ? 1 : 0
    }

    /// SHA-256 over the certificate, in hex.
    var fingerprint: String {
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 32
        X509_digest(pointer, EVP_sha256(), &digest, &count)
        return Self.hex(digest)
    }

    var serial: String { Self.hex(Self.octets(X509_get0_serialNumber(pointer))) }

    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    var isCA: Bool { X509_check_ca(pointer) == 1 }

    var keyType: String {
        guard let key = X509_get0_pubkey(pointer) else { return "unknown" }
        let type = EVP_PKEY_get0_type_name(key).map { String(cString: $0) } ?? "unknown"
        var group = [CChar](repeating: 0, count: 64)
        var length = 0
        if EVP_PKEY_get_group_name(key, &group, group.count, &length) == 1 {
            let name = group.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            return "\(type) \(name == "prime256v1" ? "P-256" : name)"
        }
        return "\(type) \(EVP_PKEY_get_bits(key)) bits"
    }
}
