import Logging
import Raft

/// Keeps the messages that are at least warnings.
struct WarningLog: LogHandler {
    let lines: Lock<[String]>
    var logLevel = Logger.Level.warning
    var metadata: Logger.Metadata = [:]

    init(lines: Lock<[String]>) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.withLock { $0.append("\(event.message)") } }
}
