/// What the holder of a certificate may be to a cluster.
///
/// Voter, learner and the like are facts of the configuration, not of certificates.
public enum Role: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// A node. Its name is its id.
    case peer
    /// Reads and writes keys.
    case client
    /// Reads keys, and changes none.
    case clientRead = "client-read"
    case admin
    case metrics
    public var description: String { rawValue }
}
