internal import Benchmarking
internal import Raft
internal import RaftClient
internal import RaftKeyValueModel
internal import Synchronization

/// Opens the watches, puts, and holds every watch to what was put.
struct WatchRun: Sendable {
    private let cluster: ServerCluster
    private let command: WatchCommand

    /// How many watches share a connection, and a name: both have a limit of calls in flight.
    private static let perClient = 1000

    init(_ cluster: ServerCluster, _ command: WatchCommand) {
        self.cluster = cluster
        self.command = command
    }

    func report() async throws -> WatchReport {
        let floors = try cluster.floors()
        try await cluster.bootstrap([1, 2, 3])
        let admin = try cluster.admin(cluster.running.map(\.address))
        let leader = try await cluster.waitForLeader(admin)
        await admin.close()
        let watched = command.atLeader ? leader : [1, 2, 3].map { NodeID($0) }.first { $0 != leader }!
        guard let node = cluster.node(watched) else { throw BenchmarkError("node \(watched) is not there") }
        let putter = try cluster.client(cluster.running.map(\.address))
        // The state's own pages come before what watches add.
        for key in 0..<command.keys { _ = try await putter.put(Self.key(key), [0]) }
        let before = try Program.usage(of: node.pid).anonymousBytes

        let board = WatchBoard(keys: command.keys)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            Output.note("opening \(command.watchers) watches")
            for first in stride(from: 0, to: command.watchers, by: Self.perClient) {
                let client = try cluster.client([node.address], named: "watcher-\(first / Self.perClient)")
                for watcher in first..<min(first + Self.perClient, command.watchers) {
                    let key = watcher % command.keys
                    group.addTask { try await Self.watch(client, key, board) }
                }
            }
            try await board.wait("all watches have begun") { $0.begun == command.watchers }
            let open = try Program.usage(of: node.pid).anonymousBytes
            var passes: [[Pass]] = [[], []]
            // The first pass warms up.
            for pass in 0...command.passes {
                Output.note(pass == 0 ? "warming up" : "pass \(pass) of \(command.passes)")
                for (place, stalled) in [0, command.stalled].enumerated() where place == 0 || stalled > 0 {
                    let result = try await load(putter, node, stalled, board, pass: pass)
                    if pass > 0 { passes[place].append(result) }
                }
            }
            let end = try Program.usage(of: node.pid).anonymousBytes
            group.cancelAll()
            await putter.close()
            return WatchReport(
                floors: floors, watchers: command.watchers, keys: command.keys, rate: command.rate,
                kibibytesPerWatcher: Double(open - before) / 1024 / Double(command.watchers),
                mebibytesBefore: mebibytes(before), mebibytesOpen: mebibytes(open), mebibytesEnd: mebibytes(end),
                loads: zip([0, command.stalled], passes).filter { !$1.isEmpty }.map { Pass.median($1, stalled: $0) })
        }
    }

    private func watchers(ofKey key: Int) -> Int {
        command.watchers / command.keys + (key < command.watchers % command.keys ? 1 : 0)
    }

    static func key(_ number: Int) -> [UInt8] { Array("watched-\(number)".utf8) }

    // MARK: Watching

    /// Takes every change of one key, and tells the board.
    private static func watch(_ client: KeyValueClient, _ key: Int, _ board: WatchBoard) async throws {
        var events = client.watch(KeyRange(key: Self.key(key))).makeAsyncIterator()
        var last: UInt64?
        do {
            while true {
                let event = try await events.next()
                let now = board.now
                switch event {
                case .progress: if last == nil { board.began() }
                case .change(let change):
                    guard let value = change.entry?.value, let (serial, due) = WatchBoard.read(value) else {
                        throw BenchmarkError("a watch of key \(key) told a value that nobody put")
                    }
                    if let last, serial <= last {
                        throw BenchmarkError("a watch of key \(key) told put \(serial) behind put \(last)")
                    }
                    last = serial
                    board.delivered(key, now - due)
                case nil: return
                }
                if last == nil { last = 0 }
            }
        } catch let error as RaftClientError where error.code == .cancelled {
            return
        } catch {
            board.fail("\(error)")
        }
    }

    // MARK: One load

    private func load(
        _ putter: KeyValueClient, _ node: ServerCluster.Node, _ stalled: Int, _ board: WatchBoard, pass: Int
    ) async throws -> Pass {
        // Kept, and asked for no event behind the first.
        let lazy = try cluster.client([node.address], named: "stalled-\(pass)-\(stalled)")
        var idle: [KeyWatch.Iterator] = []
        for _ in 0..<stalled {
            var events = lazy.watch().makeAsyncIterator()
            _ = try await events.next()
            idle.append(events)
        }
        board.beginLoad()
        let count = Int(command.rate * command.seconds)
        let size = command.valueSize
        let clock = ContinuousClock()
        let start = board.now
        try await withThrowingDiscardingTaskGroup { group in
            for number in 0..<count {
                let due = start + Int64(Double(number) / command.rate * 1e9)
                if due > board.now {
                    try await clock.sleep(for: .nanoseconds(due - board.now), tolerance: .zero)
                }
                let serial = board.nextSerial()
                let key = number % command.keys
                group.addTask {
                    // One key's puts are seconds apart, so they stay in their order.
                    _ = try await putter.put(Self.key(key), WatchBoard.value(serial, due: due, size: size))
                    board.acknowledged(key, board.now - due)
                }
            }
        }
        try await board.wait("every watch has told every change") { state in
            (0..<command.keys).allSatisfy { state.delivered[$0] == state.acknowledged[$0] * watchers(ofKey: $0) }
        }
        withExtendedLifetime(idle) {}
        await lazy.close()
        return Pass(puts: Times(board.times.puts).summary, deliveries: Times(board.times.deliveries).summary)
    }

    private struct Pass {
        var puts: Times.Summary
        var deliveries: Times.Summary

        static func median(_ passes: [Pass], stalled: Int) -> WatchReport.Load {
            func middle(_ value: (Pass) -> Double?) -> Double { Benchmarking.median(passes.compactMap(value)) }
            return WatchReport.Load(
                stalled: stalled, deliveries: passes.map(\.deliveries.count).reduce(0, +),
                putP50Milliseconds: middle(\.puts.p50Milliseconds), putP99Milliseconds: middle(\.puts.p99Milliseconds),
                deliveryP50Milliseconds: middle(\.deliveries.p50Milliseconds),
                deliveryP99Milliseconds: middle(\.deliveries.p99Milliseconds),
                deliveryP999Milliseconds: middle(\.deliveries.p999Milliseconds))
        }
    }
}

/// What all watches have told.
final class WatchBoard: Sendable {
    struct State {
        var begun = 0
        /// By key: how many puts were acknowledged, and how many events came.
        var acknowledged: [Int]
        var delivered: [Int]
        var putTimes: [Int64] = []
        var deliveryTimes: [Int64] = []
        var serial: UInt64 = 0
        var failure: String?
    }
    private let state: Mutex<State>
    private let clock = ContinuousClock()
    private let origin: ContinuousClock.Instant

    init(keys: Int) {
        state = Mutex(
            State(
                acknowledged: [Int](repeating: 0, count: keys), delivered: [Int](repeating: 0, count: keys)))
        origin = clock.now
    }

    /// Nanoseconds since the board was made.
    var now: Int64 { (clock.now - origin).nanoseconds }

    func began() { state.withLock { $0.begun += 1 } }
    func acknowledged(_ key: Int, _ time: Int64) {
        state.withLock { state in
            state.acknowledged[key] += 1
            state.putTimes.append(time)
        }
    }
    func fail(_ reason: String) { state.withLock { $0.failure = $0.failure ?? reason } }

    func delivered(_ key: Int, _ time: Int64) {
        state.withLock { state in
            state.delivered[key] += 1
            state.deliveryTimes.append(time)
        }
    }

    func nextSerial() -> UInt64 {
        state.withLock { state in
            state.serial += 1
            return state.serial
        }
    }

    func beginLoad() { state.withLock { ($0.putTimes, $0.deliveryTimes) = ([], []) } }
    /// Since the load began.
    var times: (puts: [Int64], deliveries: [Int64]) { state.withLock { ($0.putTimes, $0.deliveryTimes) } }

    func wait(_ what: String, _ isSo: (State) -> Bool) async throws {
        try await eventually(what, within: .seconds(60)) {
            try state.withLock { state in
                if let failure = state.failure { throw BenchmarkError(failure) }
                return isSo(state)
            }
        }
    }

    // MARK: Values

    static func value(_ serial: UInt64, due: Int64, size: Int) -> [UInt8] {
        var value = (0..<8).map { UInt8(truncatingIfNeeded: serial >> (8 * $0)) }
        value += (0..<8).map { UInt8(truncatingIfNeeded: due >> (8 * $0)) }
        return value + [UInt8](repeating: 7, count: max(0, size - 16))
    }

    static func read(_ value: [UInt8]) -> (serial: UInt64, due: Int64)? {
        guard value.count >= 16 else { return nil }
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        return (word(value[0..<8]), Int64(bitPattern: word(value[8..<16])))
    }
}
