/// One method that a service offers, and who may call it.
public struct Method: Hashable, Sendable {
    /// The method's number on the wire, unique within its purpose.
    public let id: UInt16
    /// Its full name, such as `raft.client.v1.KeyValue/Put`.
    public let name: String
    /// The purpose whose connections carry it.
    public let purpose: Purpose
    /// The roles that may call it. A method that nobody may call cannot be made.
    public let roles: Set<Role>

    public init(id: UInt16, name: String, purpose: Purpose, roles: Set<Role>) {
        precondition(!roles.isEmpty, "method \(name) names no role that may call it")
        self.id = id
        self.name = name
        self.purpose = purpose
        self.roles = roles
    }
}
