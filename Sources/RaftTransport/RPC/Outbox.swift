internal import NIOCore
internal import Raft
internal import Synchronization

/// What other threads want of a connection.
enum Command: Sendable {
    case call(ClientCall)
    case abandon(ClientCall)
    case open(RPCStream)
    case answer(ServerCall, Result<[UInt8], RPCStatus>)
    case send(RPCStream, [UInt8], isUrgent: Bool)
    case finish(RPCStream)
    case end(RPCStream, RPCStatus)
    case consumed(RPCStream, Int)
    /// Take nothing new, let what is open come to its end, then close.
    case retire(String)
    case close(String)
}

/// The way into a connection from any thread: a burst of commands costs one wake-up.
final class Outbox: Sendable {
    private struct State {
        var commands: [Command] = []
        var isClosed = false
        /// Lives on for what is open, but takes nothing new.
        var isRetired = false
        /// Who drains; nil once the connection is gone, so that the two do not keep each other alive.
        var connection: Connection?
    }

    private let state = Lock(State())
    /// The other side owes a sign of life.
    let isInDoubt = Atomic<Bool>(false)
    /// Nil where no connection is behind it.
    private let loop: (any EventLoop)?
    /// Takes what is posted in place of a connection: see ``DirectService``.
    private let taker: (@Sendable (Command) -> Bool)?

    init(eventLoop: any EventLoop) {
        loop = eventLoop
        taker = nil
    }

    /// Without a connection.
    ///
    /// - Parameter taker: is given every command, on the thread that posts it; false when nothing will come of it.
    init(taker: @escaping @Sendable (Command) -> Bool) {
        loop = nil
        self.taker = taker
    }

    func attach(_ connection: Connection) { state.withLock { $0.connection = connection } }

    /// Whether new calls can be made.
    var isOpen: Bool { state.withLock { !$0.isClosed && !$0.isRetired } }
    func retire() { state.withLock { $0.isRetired = true } }

    /// - Returns: false when the connection is gone; then nothing will come of the command.
    @discardableResult
    func post(_ command: Command) -> Bool {
        guard let loop else { return taker?(command) ?? false }
        let (isTaken, wakes) = state.withLock { state -> (Bool, Connection?) in
            guard !state.isClosed else { return (false, nil) }
            state.commands.append(command)
            return (true, state.commands.count == 1 ? state.connection : nil)
        }
        // Within a read of the connection itself nothing needs to be woken: it looks here at the end.
        if let wakes, !(loop.inEventLoop && wakes.isReading) { loop.execute { wakes.drain() } }
        return isTaken
    }

    /// Swaps everything that waits into `empty`.
    func takeAll(into empty: inout [Command]) {
        state.withLock { swap(&$0.commands, &empty) }
    }

    /// Takes nothing more; returns what was still waiting.
    func close() -> [Command] {
        state.withLock { state in
            state.isClosed = true
            state.connection = nil
            defer { state.commands = [] }
            return state.commands
        }
    }
}
