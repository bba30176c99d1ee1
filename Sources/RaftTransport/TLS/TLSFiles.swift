/// What to do with a certificate whose authority has no current revocation list.
public enum RevocationPolicy: String, Hashable, Sendable, CaseIterable {
    /// Refuse it: who can keep a list from being renewed must not bring back what it revokes.
    case failClosed = "fail-closed"
    /// Accept it, unless the list, old as it is, names it. For who would rather serve a revoked certificate than nobody.
    case failOpen = "fail-open"
}

/// Where one side's certificate, its key, and what it trusts are: paths of PEM files; and how strict it is with them.
public struct TLSFiles: Hashable, Sendable {
    /// The certificate, and behind it the intermediates that lead to its authority.
    public var certificate: String
    /// Its key, which neither group nor others may read.
    public var key: String
    /// The authorities that other sides may come from.
    public var ca: String
    /// Their revocation lists; nil for none, and then nothing is checked for revocation.
    public var crl: String?
    public var revocation: RevocationPolicy
    /// Whether clients and administrators that cannot speak TLS 1.3 may speak TLS 1.2 with a node: with ECDHE and
    /// authenticated encryption alone, without resumption and renegotiation. Their certificates can be read then by
    /// whoever listens to the handshake. Members, and whoever dials with this, speak TLS 1.3 in any case.
    public var acceptsTLS12 = false

    public init(
        certificate: String, key: String, ca: String, crl: String? = nil, revocation: RevocationPolicy = .failClosed
    ) {
        self.certificate = certificate
        self.key = key
        self.ca = ca
        self.crl = crl
        self.revocation = revocation
    }

    var all: [String] { [certificate, key, ca] + (crl.map { [$0] } ?? []) }
}
