internal import NIOCore
internal import Raft
internal import RaftClient
internal import RaftKeyValue
internal import RaftKeyValueModel
internal import RaftTransport

/// All watches of one node.
///
/// Hears of every run of commands where it was applied, and tells those who keep up at once; for the others it reads the
/// history, a page at a time and only as fast as they take it. So a slow watch costs a node the bytes on their way to
/// it, and nobody else anything. Both happen where commands are applied, one after the other: that is the order of what a
/// watch is told.
final class WatchHub: Sendable {
    static let tick = Duration.seconds(5)
    /// A watch that takes nothing at so many ticks in a row, while something waits for it, is ended.
    static let maximumIdleTicks = 6
    /// Watches end when this node has known no leader at so many ticks in a row: another one may.
    static let maximumLeaderlessTicks = 2

    private struct State {
        /// By number.
        private(set) var watchers: [UInt64: Watcher] = [:]
        /// The numbers of all, in order, and of some that are gone.
        private var order: [UInt64] = []
        /// Those of one key each, and the others in the order in which they came.
        var byKey: [[UInt8]: [Watcher]] = [:]
        var ranges: [Watcher] = []
        /// Everything up to here is applied, and was told to those that are live.
        var through: UInt64 = 0
        var leaderlessTicks = 0
        var isStopped = false
        /// How many have come.
        private var count: UInt64 = 0
        /// In the order in which they came: no sorting, since the state is locked while they are looked at.
        var all: [Watcher] { order.compactMap { watchers[$0] } }

        mutating func nextNumber() -> UInt64 {
            count += 1
            return count
        }

        /// - Parameter watcher: with a number above all others.
        mutating func add(_ watcher: Watcher) {
            watchers[watcher.number] = watcher
            order.append(watcher.number)
        }

        /// - Returns: false when it was not there.
        mutating func remove(_ watcher: Watcher) -> Bool {
            guard watchers.removeValue(forKey: watcher.number) != nil else { return false }
            // Only now and then, so that it costs each one that goes a constant.
            if order.count > 2 * watchers.count + 16 { order.removeAll { watchers[$0] == nil } }
            return true
        }
    }
    private let state = Lock(State())
    private let node: RaftNode<KeyValueMachine>
    private let maximumCount: Int
    /// A watch that has dealt with all but so many bytes of what it was sent may be sent a message more.
    let windowBytes: UInt64
    /// About the most bytes in one message.
    private let pageBytes: Int

    init(node: RaftNode<KeyValueMachine>, maximumCount: Int, windowBytes: UInt64, pageBytes: Int) {
        self.node = node
        self.maximumCount = maximumCount
        self.windowBytes = windowBytes
        self.pageBytes = pageBytes
    }

    // MARK: Coming and going

    func offer(_ table: inout ServiceTable) {
        table.registerStream(ClientMethods.watch) { [self] stream in
            let (watcher, isTaken) = state.withLock { state in
                let watcher = Watcher(stream, self, number: state.nextNumber())
                guard !state.isStopped, state.watchers.count < maximumCount else { return (watcher, false) }
                state.add(watcher)
                return (watcher, true)
            }
            if !isTaken {
                stream.end(
                    RPCStatus(
                        .resourceExhausted,
                        "\(maximumCount) watches are open on this node (--max-watches); end some, or ask another one"))
            }
            return watcher
        }
    }

    func remove(_ watcher: Watcher) {
        state.withLock { state in
            guard state.remove(watcher) else { return }
            if let key = watcher.work.range.onlyKey {
                state.byKey[key]?.removeAll { $0 === watcher }
                if state.byKey[key]?.isEmpty == true { state.byKey[key] = nil }
            } else {
                state.ranges.removeAll { $0 === watcher }
            }
        }
    }

    private func end(_ watcher: Watcher, _ status: RPCStatus) {
        remove(watcher)
        watcher.stream.end(status)
    }

    /// Ends all of them.
    func stop() {
        let watchers = state.withLock { state in
            state.isStopped = true
            return state.all
        }
        for watcher in watchers { end(watcher, RPCStatus(.unavailable, "the server is stopping")) }
    }

    // MARK: What a watch says

    func received(_ message: [UInt8], from watcher: Watcher) {
        let isFirst = state.withLock { _ in watcher.work.phase == .silent && watcher.work.sentBytes == 0 }
        do throws(RPCStatus) {
            if isFirst {
                try begin(watcher, try WatchRequest(decoding: message))
            } else {
                try took(watcher, try WatchProgress(decoding: message).takenBytes)
            }
        } catch {
            end(watcher, error)
        }
    }

    private func begin(_ watcher: Watcher, _ request: WatchRequest) throws(RPCStatus) {
        let isKnown = state.withLock { state in
            guard state.watchers[watcher.number] != nil else { return false }
            watcher.work.range = request.range
            watcher.work.phase = .behind(isRead: true)
            watcher.work.position = request.position ?? ChangePosition(revision: 0, ordinal: 0)
            if let key = request.range.onlyKey {
                state.byKey[key, default: []].append(watcher)
            } else {
                state.ranges.append(watcher)
            }
            return true
        }
        guard isKnown else { return }
        guard request.position == nil else { return read(watcher) }
        // From now on: behind all that was acknowledged before, wherever that was.
        node.read(.linearizable, timeout: .seconds(5)) { [self] machine in
            let end = ChangePosition(revision: machine.lastApplied?.index.rawValue ?? 0)
            state.withLock { state in
                watcher.work.phase = .live
                state.through = max(state.through, end.revision)
                if !watcher.send([], end) { watcher.work.phase = .behind(isRead: false) }
            }
        } completion: { [self] result in
            finish(result, watcher)
        }
    }

    private func took(_ watcher: Watcher, _ byteCount: UInt64) throws(RPCStatus) {
        let isReady = try state.withLock { _ throws(RPCStatus) in
            guard byteCount >= watcher.work.takenBytes, byteCount <= watcher.work.sentBytes else {
                throw RPCStatus(
                    .invalidArgument,
                    "a watch that was sent \(watcher.work.sentBytes) bytes says that it has taken \(byteCount)")
            }
            watcher.work.takenBytes = byteCount
            watcher.work.idleTicks = 0
            guard watcher.work.phase == .behind(isRead: false), watcher.mayTake else { return false }
            watcher.work.phase = .behind(isRead: true)
            return true
        }
        if isReady { read(watcher) }
    }

    // MARK: From the history

    /// Sends pages until the watch is live, or takes no more. Nobody else reads for it.
    private func read(_ watcher: Watcher) {
        node.read(.local) { [self] machine in
            try self.sendPages(watcher, machine)
        } completion: { [self] result in
            switch result {
            case .success(.success(true)): read(watcher)
            default: finish(result, watcher)
            }
        }
    }

    /// - Returns: whether there is more to send at once. Others have their turn first.
    private func sendPages(_ watcher: Watcher, _ machine: borrowing KeyValueMachine) throws -> Bool {
        let (position, range) = state.withLock { _ in (watcher.work.position, watcher.work.range) }
        let page = try machine.changes(after: position, in: range, maximumBytes: pageBytes)
        let applied = machine.lastApplied?.index.rawValue ?? 0
        var bytes: [UInt8] = []
        for change in page.changes { change.encode(into: &bytes) }
        return state.withLock { state in
            guard state.watchers[watcher.number] != nil else { return false }
            // A page without a change goes unsaid, unless it is the last one: then it is how far the watch has come.
            if bytes.isEmpty && !page.isComplete {
                watcher.work.position = page.position
            } else if !watcher.send(bytes, page.position) {
                watcher.work.phase = .behind(isRead: false)
                return false
            }
            if page.isComplete {
                watcher.work.phase = .live
                // Not where the watch stands: it may have been told more by another node than is applied here.
                state.through = max(state.through, applied)
                return false
            }
            guard watcher.mayTake else {
                watcher.work.phase = .behind(isRead: false)
                return false
            }
            return true
        }
    }

    /// Ends a watch that a read has failed for.
    private func finish<Value>(_ result: Result<Result<Value, any Error>, RaftError>, _ watcher: Watcher) {
        switch result {
        case .success(.success): break
        case .success(.failure(let error as HistoryCompacted)): end(watcher, RPCStatus(compacted: error.description))
        case .success(.failure(let error)):
            end(watcher, RPCStatus(RaftError(error, or: .stateMachine)))
        case .failure(let error): end(watcher, RPCStatus(error))
        }
    }

    // MARK: As it happens

    /// Called where commands are applied, for each run in turn.
    func heard(_ news: StateNews) {
        switch news {
        case .applied(let changes, let through): tell(changes, through: through)
        case .replaced(let through):
            // What lies between was never told here: it is read from the history that came with the state.
            let behind = state.withLock { state in
                defer { state.through = max(state.through, through) }
                return state.all.filter { watcher in
                    guard watcher.work.phase == .live else { return false }
                    watcher.work.position = max(watcher.work.position, ChangePosition(revision: state.through))
                    watcher.work.phase = .behind(isRead: true)
                    return true
                }
            }
            for watcher in behind { read(watcher) }
        }
    }

    private func tell(_ changes: [UInt8], through: UInt64) {
        let behind = state.withLock { state -> [Watcher] in
            defer { state.through = max(state.through, through) }
            guard !state.watchers.isEmpty else { return [] }
            var parts: [ObjectIdentifier: (watcher: Watcher, bytes: [UInt8])] = [:]
            var order: [ObjectIdentifier] = []
            func give(_ watcher: Watcher, _ change: KeyChange) {
                guard watcher.work.phase == .live, change.position > watcher.work.position else { return }
                let id = ObjectIdentifier(watcher)
                if parts[id] == nil {
                    parts[id] = (watcher, [])
                    order.append(id)
                }
                change.encode(into: &parts[id]!.bytes)
            }
            // Our own bytes of a moment ago.
            for change in (try? KeyChange.all(decoding: changes[...])) ?? [] {
                for watcher in state.byKey[change.key] ?? [] { give(watcher, change) }
                for watcher in state.ranges where watcher.work.range.contains(change.key) { give(watcher, change) }
            }
            var behind: [Watcher] = []
            for id in order {
                guard let (watcher, bytes) = parts[id] else { continue }
                if watcher.mayTake, bytes.count <= pageBytes,
                    watcher.send(bytes, ChangePosition(revision: through))
                {
                    continue
                }
                watcher.work.position = max(watcher.work.position, ChangePosition(revision: state.through))
                let isReady = watcher.mayTake && !watcher.stream.isEnded
                watcher.work.phase = .behind(isRead: isReady)
                if isReady { behind.append(watcher) }
            }
            return behind
        }
        for watcher in behind { read(watcher) }
    }

    // MARK: Now and then

    /// Every ``tick``: says how far the watches have come, and ends those that take nothing or that nobody leads.
    func look() {
        let hasLeader = node.status.leader != nil
        let ending = state.withLock { state -> [(Watcher, RPCStatus)] in
            state.leaderlessTicks = hasLeader ? 0 : state.leaderlessTicks + 1
            return state.all.compactMap { watcher in
                if state.leaderlessTicks >= Self.maximumLeaderlessTicks {
                    return (watcher, RPCStatus(.unavailable, "this node knows no leader; ask another one"))
                }
                guard watcher.work.phase == .behind(isRead: false) || watcher.work.phase == .silent else { return nil }
                watcher.work.idleTicks += 1
                guard watcher.work.idleTicks >= Self.maximumIdleTicks else { return nil }
                return (
                    watcher,
                    RPCStatus(
                        .resourceExhausted,
                        "the watch is too slow: \(watcher.work.sentBytes - watcher.work.takenBytes) bytes were sent, and nothing was taken for \(Self.tick * Self.maximumIdleTicks); it can go on behind \(watcher.work.position)"
                    )
                )
            }
        }
        for (watcher, status) in ending { end(watcher, status) }
        node.read(.local) { [self] machine in
            let end = ChangePosition(revision: machine.lastApplied?.index.rawValue ?? 0)
            state.withLock { state in
                for watcher in state.all
                where watcher.work.phase == .live && watcher.mayTake && watcher.work.position < end {
                    if !watcher.send([], end) { watcher.work.phase = .behind(isRead: false) }
                }
                state.through = max(state.through, end.revision)
            }
        } completion: { _ in
        }
    }
}
