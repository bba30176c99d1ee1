/// Which rule a connection broke that was refused before it carried anything: refusals are counted by it.
public enum RefusalRule: String, Hashable, Sendable, CaseIterable {
    /// Something that speaks no TLS, or none of the versions and suites that are spoken here.
    case tls
    /// It named no protocol (ALPN), or none that is served.
    case `protocol`
    /// No certificate, one that no authority here has issued, a weak one, or one for other uses.
    case certificate
    /// A certificate that is not valid yet, or no longer.
    case time
    /// A certificate that was revoked, or whose authority has no current list.
    case revocation
    /// A certificate without exactly one identity.
    case identity
    /// A certificate of another cluster.
    case cluster
    /// A certificate of a role that may call nothing of what was asked for.
    case role
    /// The handshake took too long.
    case deadline
    /// The other side went away within the handshake.
    case abandoned
    /// There was no place for it.
    case places
    /// Too many handshakes of its address have failed.
    case failures
}

/// Why the other side of a handshake is not accepted.
struct TLSRefusal {
    let rule: RefusalRule
    let reason: String

    init(_ rule: RefusalRule, _ reason: String) {
        self.rule = rule
        self.reason = reason
    }
}
