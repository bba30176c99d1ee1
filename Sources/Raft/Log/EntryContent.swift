/// What an entry says, for whoever shows a log.
package enum EntryContent: Hashable, Sendable {
    case blank
    /// A command of the state machine, encoded.
    case command(ArraySlice<UInt8>)
    case sessionCommand(SessionRequest, ArraySlice<UInt8>)
    /// Something about a session itself, in words.
    case session(String)
    case configuration(ClusterConfiguration)

    /// - Throws: ``RaftError/Code/corrupt`` when the payload is not what its kind promises.
    package init(_ entry: Entry) throws(RaftError) {
        switch entry.kind {
        case .blank: self = .blank
        case .command: self = .command(entry.payload)
        case .configuration: self = .configuration(try ClusterConfiguration(decoding: entry.payload))
        case .sessionCommand:
            self = .sessionCommand(
                try SessionRequest(decoding: entry.payload), entry.payload.dropFirst(SessionRequest.headerSize))
        case .session: self = .session(try SessionOrder(decoding: entry.payload).description)
        }
    }
}

extension SessionOrder: CustomStringConvertible {
    /// As in "session 12 ends".
    var description: String {
        switch self {
        case .register(let limits): "a session of at most \(limits.replies) unanswered commands begins"
        case .keepAlive(let session, let lowest): "session \(session) goes on, answered below \(lowest)"
        case .close(let session): "session \(session) ends"
        case .expire(let session, let index): "session \(session) ends unless heard of since entry \(index)"
        }
    }
}
