/// What a connection is for, agreed on in the TLS handshake (ALPN): it selects the service table. The text is the
/// protocol's name and major version.
public enum Purpose: String, Hashable, Sendable {
    case peer = "raft/1"
    /// Between peers too: bulk that must not be in the way of the rest.
    case snapshot = "raft-snapshot/1"
    case client = "raft-client/1"
    case admin = "raft-admin/1"
    /// What programs that collect metrics speak. It carries one page and no calls.
    case metrics = "http/1.1"

    /// Those that carry calls.
    public static let ofCalls: [Purpose] = [.peer, .snapshot, .client, .admin]

    /// Whether both sides are members.
    var isBetweenMembers: Bool { self == .peer || self == .snapshot }
}
