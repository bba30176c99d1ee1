internal import Logging
internal import Raft

/// How patient the nodes of this process are with each other.
enum NodeTiming {
    case usual
    /// For a process that something slows down a hundred times.
    case patient

    func configuration(_ id: NodeID, _ cluster: String? = nil) -> Configuration {
        var configuration = cluster.map { Configuration(id: id, cluster: $0) } ?? Configuration(id: id)
        if self == .patient {
            configuration.heartbeatInterval = .milliseconds(1500)
            configuration.electionTimeout = .seconds(4) ... .seconds(6)
        }
        return configuration
    }
}

extension Logger {
    /// Of each node that starts, leads and stops there is nothing to say.
    static var errorsOnly: Logger {
        var logger = Logger(label: "raft")
        logger.logLevel = .error
        return logger
    }
}

/// Waits until one of a cluster's nodes leads, and has committed in its term.
func placeOfLeader(among nodes: [RaftNode<Noted>]) async throws -> Int {
    let elected = try await nodes[0].untilLeader(within: .seconds(60))
    let place = nodes.firstIndex { $0.status.id == elected.id }!
    try await nodes[place].barrier()
    return place
}
