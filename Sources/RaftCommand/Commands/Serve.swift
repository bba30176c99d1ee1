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

            The log goes to standard error. \(Failure.exitCodeHelp)
            """)

    @OptionGroup var options: ServeOptions

    func run() async throws {
        let configuration = try options.configuration()
        LoggingSystem.bootstrap { _ in StandardErrorLog() }
        let logger = Logger(label: "raft")
        let signals = Signals([.terminate, .interrupt], endOfInput: options.stopOnEOF)
        let service: NodeService
        do {
            service = try await NodeService.start(configuration, logger: logger)
        } catch {
            throw Failure(error)
        }
        logger.notice(
            "node \(configuration.id) of cluster \(configuration.cluster) listens on \(configuration.listen), port \(service.port)"
        )
        let stopping = Task {
            for await signal in signals.events {
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
}
