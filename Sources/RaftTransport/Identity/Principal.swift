public import Raft

/// Who is at the other end of a connection: what the one identity URI of its certificate says.
public struct Principal: Hashable, Sendable, CustomStringConvertible {
    /// The cluster's name.
    public let cluster: String
    public let role: Role
    /// The node's id in decimal for a peer, else any name.
    public let name: String

    /// The longest cluster or name, in bytes.
    public static let maximumNameBytes = 63

    /// Parses `raft://<cluster>/<role>/<name>`, strictly: no case folding, no percent-decoding, nothing before or
    /// after. Cluster and name are 1 to 63 of `A-Z a-z 0-9 . _ -`; a peer's name is its id: decimal, above zero,
    /// without leading zeros.
    ///
    /// Two texts never mean the same principal, so comparing principals is comparing what was signed.
    public init(uri: String) throws(RaftError) {
        func refuse(_ reason: String) -> RaftError {
            let shown = String(
                uri.unicodeScalars.prefix(200).map { $0.isASCII && $0.value >= 32 ? Character($0) : "?" })
            return RaftError(
                .transport,
                "identity \"\(shown)\" \(reason); it must be raft://<cluster>/<role>/<name>, such as raft://prod/peer/1"
            )
        }
        let bytes = Array(uri.utf8)
        let scheme = Array("raft://".utf8)
        guard bytes.starts(with: scheme) else { throw refuse("does not begin with raft://") }
        let parts = bytes.dropFirst(scheme.count).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw refuse("has \(parts.count) parts, not cluster, role and name") }
        guard Self.isName(parts[0]) else { throw refuse("has a cluster that is not 1 to 63 of A-Z a-z 0-9 . _ -") }
        guard let role = Role(rawValue: String(decoding: parts[1], as: UTF8.self)) else {
            throw refuse(
                "has a role that is none of \(Role.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        guard Self.isName(parts[2]) else { throw refuse("has a name that is not 1 to 63 of A-Z a-z 0-9 . _ -") }
        let name = String(decoding: parts[2], as: UTF8.self)
        if role == .peer {
            guard let id = UInt64(name), id > 0, String(id) == name else {
                throw refuse("has a peer name that is not a node id: decimal, above zero, no leading zeros")
            }
        }
        self.cluster = String(decoding: parts[0], as: UTF8.self)
        self.role = role
        self.name = name
    }

    /// - Throws: ``RaftError/Code/transport`` for names that a URI cannot carry.
    public init(cluster: String, role: Role, name: String) throws(RaftError) {
        try self.init(uri: "raft://\(cluster)/\(role.rawValue)/\(name)")
    }

    /// The identity of a node.
    public init(cluster: String, node: NodeID) throws(RaftError) {
        try self.init(cluster: cluster, role: .peer, name: "\(node)")
    }

    private static func isName(_ bytes: ArraySlice<UInt8>) -> Bool {
        (1...maximumNameBytes).contains(bytes.count)
            && bytes.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// The id of a peer; nil for other roles.
    public var node: NodeID? { role == .peer ? UInt64(name).map { NodeID($0) } : nil }
    public var uri: String { "raft://\(cluster)/\(role.rawValue)/\(name)" }
    public var description: String { uri }
}
