internal import Foundation
internal import Logging

/// One line for each event on standard error: time, level, message, and what belongs to it.
struct StandardErrorLog: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let extra = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let fields = extra.map { " \($0.key)=\($0.value)" }.joined()
        Console.error(Self.line(at: .now, event.level, "\(event.message)\(fields)"), prefix: "")
    }

    /// A message from outside must not look like a line of its own.
    static func line(at time: Date, _ level: Logger.Level, _ text: String) -> String {
        let stamp = time.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
        return "\(stamp)Z \(level.rawValue) \(ByteText.shown(Array(text.utf8), keepingBackslash: true))"
    }
}
