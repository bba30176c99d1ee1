/// The methods of one purpose and their handlers.
///
/// A handler runs on the connection's event loop and must not block; it answers later and from anywhere. No task is
/// made for a call.
public struct ServiceTable: Sendable {
    public typealias Handler = @Sendable (ServerCall) -> Void

    enum Service: Sendable {
        case unary(Handler)
    }
    struct Entry: Sendable {
        let method: Method
        let service: Service
    }
    private(set) var entries: [UInt16: Entry] = [:]

    public init() {}

    /// Adds a unary method. Two methods of one id, or of two purposes, are a programmer's error and trap.
    public mutating func register(_ method: Method, _ handler: @escaping Handler) {
        add(Entry(method: method, service: .unary(handler)))
    }

    private mutating func add(_ entry: Entry) {
        let method = entry.method
        precondition(
            entries[method.id] == nil,
            "methods \(method.name) and \(entries[method.id]?.method.name ?? "") both have id \(method.id)")
        entries[method.id] = entry
    }

    /// The methods, ordered by id: for tests that check who may call what.
    public var methods: [Method] { entries.values.map(\.method).sorted { $0.id < $1.id } }
}
