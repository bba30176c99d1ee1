/// The methods of one purpose and their handlers.
///
/// A handler runs on the connection's event loop and must not block; it answers later and from anywhere. No task is
/// made for a call.
public struct ServiceTable: Sendable {
    /// Takes a call and answers it, now or later, on any thread.
    public typealias Handler = @Sendable (ServerCall) -> Void
    /// Takes a stream that a caller opened, and returns who receives it.
    public typealias StreamHandler = @Sendable (RPCStream) -> any RPCStreamHandler

    enum Service: Sendable {
        case unary(Handler)
        case stream(StreamHandler)
        /// Needs the connection: the hello between peers.
        case connected(@Sendable (ServerCall, Connection) -> Void)
        case connectedStream(@Sendable (RPCStream, Connection) -> Result<any RPCStreamHandler, RPCStatus>)
    }
    struct Entry: Sendable {
        let method: Method
        let service: Service
    }
    private(set) var entries: [UInt16: Entry] = [:]

    public init() {}

    /// Adds a unary method. Two methods with one id are a programmer's error and trap.
    public mutating func register(_ method: Method, _ handler: @escaping Handler) {
        add(method, .unary(handler))
    }

    /// Adds a method with a bidirectional stream of messages. Two methods with one id are a programmer's error and
    /// trap.
    public mutating func registerStream(_ method: Method, _ handler: @escaping StreamHandler) {
        add(method, .stream(handler))
    }

    mutating func add(_ method: Method, _ service: Service) {
        precondition(
            entries[method.id] == nil,
            "methods \(method.name) and \(entries[method.id]?.method.name ?? "") both have id \(method.id)")
        entries[method.id] = Entry(method: method, service: service)
    }

    /// The methods, ordered by id: for tests that check who may call what.
    public var methods: [Method] { entries.values.map(\.method).sorted { $0.id < $1.id } }

    /// Everybody who may call anything here. Others are refused in the handshake.
    var roles: Set<Role> { entries.values.reduce(into: []) { $0.formUnion($1.method.roles) } }
}
