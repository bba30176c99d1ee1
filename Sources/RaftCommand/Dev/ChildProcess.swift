#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A process that we started, and that ends when we do: its standard input is a pipe that only we hold open.
struct ChildProcess {
    let pid: pid_t
    /// Our end of its standard input.
    private let lifeline: Int32

    /// - Parameters:
    ///   - log: where its output and errors go, added at the end.
    ///   - hiding: variables of our environment that it does not see.
    ///   - adding: variables that it sees beside the others, or in their stead.
    static func spawn(
        _ executable: String, _ arguments: [String], log: String, hiding: [String], adding: [String: String] = [:]
    ) throws(Failure) -> ChildProcess {
        var pipes: [Int32] = [0, 0]
        guard pipe(&pipes) == 0 else { throw .system("make a pipe for", executable) }
        let (theirs, ours) = (pipes[0], pipes[1])
        // Another child that held our end would keep this one alive.
        _ = fcntl(ours, F_SETFD, FD_CLOEXEC)
        _ = fcntl(theirs, F_SETFD, FD_CLOEXEC)
        defer { close(theirs) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, theirs, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: Ctrl-C is for us, and we stop them in good order. Signals as they are at a login.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in [SIGINT, SIGTERM, SIGCHLD, SIGPIPE] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETPGROUP)
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var argv: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let variable = next.pointee {
            let name = String(cString: variable).prefix { $0 != "=" }
            if !hiding.contains(String(name)), adding[String(name)] == nil { variables.append(variable) }
            next += 1
        }
        let added = adding.map { strdup("\($0.key)=\($0.value)") }
        defer { for variable in added { free(variable) } }
        variables += added
        variables.append(nil)
        var pid = pid_t()
        let code = posix_spawn(&pid, executable, &actions, &attributes, &argv, &variables)
        guard code == 0 else {
            close(ours)
            throw .system("start", executable, code)
        }
        return ChildProcess(pid: pid, lifeline: ours)
    }

    /// Asks it to end in good order.
    func terminate() { send(SIGTERM) }

    func send(_ signal: Int32) { _ = killProcess(pid, signal) }

    /// Ends it at once.
    func kill() { send(SIGKILL) }

    /// How it ended; nil while it runs. Once it has ended this may be asked only once.
    func reap() -> Ending? {
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
        close(lifeline)
        let signal = status & 0x7F
        return signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal)
    }

    enum Ending: Hashable, CustomStringConvertible {
        case exit(Int32)
        case signal(Int32)
        var description: String {
            switch self {
            case .exit(let code): "exit code \(code)"
            case .signal(let number): "signal \(number)"
            }
        }
    }
}

// The system call under a name that the method above does not hide.
private func killProcess(_ pid: pid_t, _ signal: Int32) -> Int32 { kill(pid, signal) }
