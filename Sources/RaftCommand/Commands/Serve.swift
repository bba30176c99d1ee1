internal import ArgumentParser
internal import Logging
internal import Raft
internal import RaftServer

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run one node of a cluster until SIGTERM or SIGINT.",
        discussion: """
            Each setting is a flag or an environment variable; the flag wins. The first start of an initial member \
            takes --bootstrap and --members, that of a member added later --join; every later start finds in --data \
            what it needs.

            Certificate, key, authorities and revocation lists are read anew when their files change, and on SIGHUP: no \
            restart is needed.

            The log goes to standard error. \(Failure.exitCodeHelp)
            """)

    @OptionGroup var options: ServeOptions

    func run() async throws {
        let configuration = try options.configuration()
        LoggingSystem.bootstrap { _ in StandardErrorLog() }
        let logger = Logger(label: "raft")
        let signals = Signals([.terminate, .interrupt, .hangUp], endOfInput: options.stopOnEOF)
        let service: NodeService
        do {
            service = try await NodeService.start(configuration, logger: logger)
        } catch {
            throw Failure(error)
        }
        logger.notice(
            "\(Self.startLine(configuration, port: service.port))"
        )
        if let endpoint = configuration.metrics, let port = service.metricsPort {
            logger.notice("metrics at https://\(Self.place(endpoint, port))/metrics")
        }
        let stopping = Task {
            for await signal in signals.events {
                guard signal != .hangUp else {
                    service.reloadCertificates("SIGHUP")
                    continue
                }
                logger.notice("stopping: \(signal)")
                // Whoever asks twice does not want to wait.
                if signals.isRepeated { Signals.leave() }
                Task { await service.stop() }
            }
        }
        let reason = await service.untilEnded()
        stopping.cancel()
        if let reason { throw Failure(.refused, "node \(configuration.id) stopped: \(reason.message)") }
        logger.notice("stopped")
    }

    /// Where the node listens, and the times that it goes by: what one looks for when nodes do not find each other.
    static func startLine(_ configuration: ServerConfiguration, port: Int) -> String {
        let election = configuration.electionTimeout
        return
            "node \(configuration.id) of cluster \(configuration.cluster) listens on \(place(configuration.listen, port)); election timeout \(election.lowerBound.formatted) to \(election.upperBound.formatted), heartbeat \(configuration.heartbeatInterval.formatted)"
    }

    /// An address with the port that it was bound to: the one asked for may be 0.
    private static func place(_ endpoint: String, _ port: Int) -> String {
        (endpoint.lastIndex(of: ":").map { endpoint[..<$0] } ?? "") + ":\(port)"
    }
}
