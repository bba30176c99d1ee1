/// What a connection is for, agreed on in the TLS handshake (ALPN): it selects the service table. The text is the
/// protocol's name and major version.
public enum Purpose: String, Hashable, Sendable, CaseIterable {
    case peer = "raft/1"
    case client = "raft-client/1"
    case admin = "raft-admin/1"
}
