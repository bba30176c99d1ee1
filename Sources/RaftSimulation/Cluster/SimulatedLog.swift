internal import Logging
internal import Raft

/// Hands a simulated node's log lines to whoever watches the run.
struct SimulatedLog: LogHandler {
    let node: NodeID
    let write: @Sendable (String) -> Void
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    init(node: NodeID, _ write: @escaping @Sendable (String) -> Void) {
        self.node = node
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { write("node \(node): \(event.message)") }
}
