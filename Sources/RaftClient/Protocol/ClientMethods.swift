package import RaftTransport

/// The methods of Protos/client.proto and Protos/admin.proto, each with the roles that may call it.
package enum ClientMethods {
    package static let put = client(1, "Put")
    package static let delete = client(2, "Delete")
    package static let compareAndSwap = client(3, "CompareAndSwap")
    package static let get = client(4, "Get", roles: readers)
    package static let range = client(5, "Range", roles: readers)
    package static let txn = client(6, "Txn")
    /// A stream, so of a number that no call of an administrator has.
    package static let watch = client(32, "Watch", roles: readers)
    package static let compact = client(8, "Compact")
    package static let grantLease = client(9, "GrantLease")
    package static let keepLease = client(10, "KeepLease")
    package static let revokeLease = client(11, "RevokeLease")
    package static let listLeases = client(12, "ListLeases", roles: readers)
    package static let registerSession = client(16, "RegisterSession")
    package static let keepSession = client(17, "KeepSession")
    package static let closeSession = client(18, "CloseSession")
    package static let listSessions = Method(
        id: 16, name: "raft.admin.v1.Node/ListSessions", purpose: .admin, roles: [.admin])
    package static let status = Method(
        id: 1, name: "raft.admin.v1.Node/Status", purpose: .admin, roles: [.admin])
    package static let changeMembership = Method(
        id: 2, name: "raft.admin.v1.Node/ChangeMembership", purpose: .admin, roles: [.admin])
    package static let triggerSnapshot = Method(
        id: 3, name: "raft.admin.v1.Node/TriggerSnapshot", purpose: .admin, roles: [.admin])
    package static let pushSnapshot = Method(
        id: 4, name: "raft.admin.v1.Node/PushSnapshot", purpose: .admin, roles: [.admin])
    package static let transferLeadership = Method(
        id: 5, name: "raft.admin.v1.Node/TransferLeadership", purpose: .admin, roles: [.admin])
    package static let readSnapshot = Method(
        id: 6, name: "raft.admin.v1.Node/ReadSnapshot", purpose: .admin, roles: [.admin])

    package static let reloadCertificates = Method(
        id: 7, name: "raft.admin.v1.Node/ReloadCertificates", purpose: .admin, roles: [.admin])

    /// Those that a node may pass on to the leader: what changes the state, and nothing else.
    package static let forwarded = [
        put, delete, compareAndSwap, txn, grantLease, revokeLease, registerSession, keepSession, closeSession,
    ]

    /// Who may call what changes nothing.
    private static let readers: Set<Role> = [.client, .clientRead]

    private static func client(_ id: UInt16, _ name: String, roles: Set<Role> = [.client]) -> Method {
        Method(id: id, name: "raft.client.v1.KeyValue/\(name)", purpose: .client, roles: roles)
    }

    /// The largest message that either side may need memory for: a frame's limit, and its fields unpacked.
    package static let unpackBudget = 24 << 20
}
