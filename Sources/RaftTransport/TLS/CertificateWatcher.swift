public import Logging
public import Raft

/// Keeps a context as its files are: looks at them twice a second, reads them anew once they have changed and stopped
/// changing, drops connections that are no longer good, and warns in the log before something expires.
///
/// Owns no file and no connection. Works on one loop, where reading files and verifying certificates may take its time;
/// dies with ``stop()``.
public final class CertificateWatcher: Sendable {
    private struct State {
        var rules: ReloadRules
        var isStopped = false
        var certificate = ExpiryRules(levels: ExpiryRules.certificateLevels)
        var authority = ExpiryRules(levels: ExpiryRules.certificateLevels)
        var list = ExpiryRules(levels: ExpiryRules.listLevels)
        var lastFailure: String?
        /// Told of each reading, and whether what was read is used.
        var listener: (@Sendable (_ text: String, _ isUsed: Bool) -> Void)?
    }

    private let tls: TLSContext
    private let loop: any Loop
    private let interval: Duration
    private let logger: Logger
    private let state: Lock<State>

    /// - Parameter interval: between two looks at the files. A change is taken after two of them.
    public init(_ tls: TLSContext, on loop: any Loop, every interval: Duration = .milliseconds(500), logger: Logger) {
        self.tls = tls
        self.loop = loop
        self.interval = interval
        self.logger = logger
        state = Lock(State(rules: ReloadRules(read: tls.current.stamps)))
    }

    /// Begins to look. Called once.
    ///
    /// - Parameter listener: told on the loop when files were read anew, and whether what is in them is used from then on;
    ///   such as `RaftNode.announceCertificates`. The same failure again is not told.
    public func start(telling listener: (@Sendable (_ text: String, _ isUsed: Bool) -> Void)? = nil) {
        state.withLock { $0.listener = listener }
        loop.post(Block { self.look() })
    }

    /// Looks no more.
    public func stop() { state.withLock { $0.isStopped = true } }

    private func look() {
        let stamps = tls.files.all.map { FileStamp($0) }
        let reads = state.withLock { $0.isStopped ? nil : $0.rules.look(stamps) }
        guard let reads else { return }
        if reads { _ = read("the files changed") }
        note(tls.dropExpired())
        warn()
        loop.after(interval, Block { self.look() })
    }

    /// Reads the files now, whether they have changed or not. `completion` hears on the loop what came of it.
    ///
    /// - Parameter cause: who asks, for the log.
    public func reload(
        _ cause: String, completion: @escaping @Sendable (Result<[DroppedConnection], RaftError>) -> Void = { _ in }
    ) {
        loop.post(Block { completion(self.read(cause)) })
    }

    private func read(_ cause: String) -> Result<[DroppedConnection], RaftError> {
        let stamps = tls.files.all.map { FileStamp($0) }
        do throws(RaftError) {
            let dropped = try tls.reload()
            state.withLock {
                $0.rules.finished(stamps, isGood: true)
                $0.lastFailure = nil
            }
            let status = tls.status
            let lists = status.listNextUpdate.map {
                ", \(status.revokedCount) revoked, next list due \(UTC.text($0))"
            }
            tell(
                "took certificate \(tls.principal) (\(cause)): valid until \(UTC.text(status.notAfter))\(lists ?? "")",
                isUsed: true)
            if let problem = status.ownRevocation { logger.error("this node's own \(problem)") }
            note(dropped)
            return .success(dropped)
        } catch {
            let isNews = state.withLock { state in
                state.rules.finished(stamps, isGood: false)
                defer { state.lastFailure = error.message }
                return state.lastFailure != error.message
            }
            if isNews { tell("kept the certificates in use (\(cause)): \(error.message)", isUsed: false) }
            return .failure(error)
        }
    }

    private func tell(_ text: String, isUsed: Bool) {
        logger.log(level: isUsed ? .notice : .error, "\(text)")
        state.withLock { $0.listener }?(text, isUsed)
    }

    private func note(_ dropped: [DroppedConnection]) {
        for connection in dropped.prefix(20) {
            logger.notice("ended a connection of \(connection.principal): \(connection.reason)")
        }
        if dropped.count > 20 { logger.notice("ended \(dropped.count - 20) further connections") }
    }

    private func warn() {
        let status = tls.status
        let now = UTC.now
        let (certificate, authority, list) = state.withLock { state in
            (
                state.certificate.look(from: status.notBefore, until: status.notAfter, now: now),
                status.authorityNotAfter == 0
                    ? nil : state.authority.look(from: 0, until: status.authorityNotAfter, now: now),
                status.listNextUpdate.flatMap { state.list.look(from: 0, until: $0, now: now) }
            )
        }
        func say(_ what: String, _ days: Int, _ end: Int64, _ advice: String) {
            logger.log(
                level: days < 1 ? .error : .warning,
                "\(what) \(end > now ? "expires" : "expired") at \(UTC.text(end)), \(days) days from now; \(advice)")
        }
        if let certificate {
            say(
                "this node's certificate", certificate, status.notAfter,
                "make a new one with `raft cert rotate`; it is taken without a restart")
        }
        if let authority {
            say(
                "an authority in the CA file", authority, status.authorityNotAfter,
                "add its successor to the CA file of every node, then issue certificates by it")
        }
        if let list, let end = status.listNextUpdate {
            say("a revocation list", list, end, "renew it with `raft cert revoke`")
        }
    }
}
