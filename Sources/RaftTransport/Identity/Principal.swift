public import Raft

/// Who is at the other end of a connection: what the one identity URI of its certificate says.
public struct Principal: Hashable, Sendable, CustomStringConvertible {
    /// The cluster's name.
    public let cluster: String
    public let role: Role
    /// The node's id in decimal for a peer, else any name.
    public let name: String

    /// Parses `raft://<cluster>/<role>/<name>`, strictly: no case folding, no percent-decoding, nothing before or
    /// after. Cluster and name are 1 to 63 of `A-Z a-z 0-9 . _ -`; a peer's name is its id, without leading zeros.
    public init(uri: String) throws(RaftError) {
        throw RaftError(.transport, uri)
    }

    /// - Throws: ``RaftError/Code/transport`` for names that a URI cannot carry.
    public init(cluster: String, role: Role, name: String) throws(RaftError) {
        try self.init(uri: "raft://\(cluster)/\(role.rawValue)/\(name)")
    }

    /// The id of a peer; nil for other roles.
    public var node: NodeID? { role == .peer ? UInt64(name).map(NodeID.init(_:)) : nil }
    public var uri: String { "raft://\(cluster)/\(role.rawValue)/\(name)" }
    public var description: String { uri }
}
