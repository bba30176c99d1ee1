@testable internal import Raft
@testable internal import RaftTransport

/// The one thread of a node, turned by hand.
final class HandLoop: Loop, @unchecked Sendable {
    // @unchecked: a target runs on one thread.
    private var units: [any Activated] = []
    private var timers: [(due: Instant, unit: any Activated)] = []
    private(set) var now: Instant = .seconds(1000)

    func post(_ unit: any Activated) { units.append(unit) }
    func after(_ delay: Duration, _ unit: any Activated) { timers.append((now + delay, unit)) }
    func enqueue(_ job: consuming ExecutorJob) { fatalError("no task runs on a node's loop") }
    func checkIsolated() {}
    func isIsolatingCurrentContext() -> Bool? { true }

    func run() {
        var count = 0
        while !units.isEmpty {
            let waiting = units
            units = []
            for unit in waiting { unit.activate() }
            count += 1
            require(count < 10_000, "the node never comes to rest")
        }
    }

    func advance(_ time: Duration) {
        let end = now + time
        while let next = timers.indices.min(by: { timers[$0].due < timers[$1].due }), timers[next].due <= end {
            let timer = timers.remove(at: next)
            now = max(now, timer.due)
            timer.unit.activate()
            run()
        }
        now = end
    }

    func end() { (units, timers) = ([], []) }
}

/// A link of the node, and what it has asked over it without having an answer.
final class HandLink: PeerLink {
    private struct State {
        /// Nil once the link is closed: whoever opened it hears nothing more.
        var observer: (any PeerLinkObserver)?
        var waiting: [PeerRequest] = []
    }
    private let state: Lock<State>

    init(_ observer: any PeerLinkObserver) { state = Lock(State(observer: observer)) }

    var observer: (any PeerLinkObserver)? { state.withLock { $0.observer } }

    func send(_ request: PeerRequest) {
        let sent = try? PeerCodec.decodeRequest(PeerCodec.encode(request))
        require(sent != nil, "what the node asks cannot be read: \(request)")
        state.withLock { state in
            state.waiting.append(request)
            if state.waiting.count > 64 { state.waiting.removeFirst() }
        }
    }

    /// One of the requests that wait, which waits no more unless it is kept: an answer may come twice.
    func take(_ number: Int, keeping isKept: Bool) -> PeerRequest? {
        state.withLock { state in
            guard !state.waiting.isEmpty else { return nil }
            let place = number % state.waiting.count
            return isKept ? state.waiting[place] : state.waiting.remove(at: place)
        }
    }

    func close() { state.withLock { $0 = State() } }
}

/// The network of one node: whoever holds it speaks for all other members.
final class HandWire: Transport {
    private struct State {
        var receiver: (any PeerReceiver)?
        var links: [HandLink] = []
    }
    private let state = Lock(State())

    var receiver: (any PeerReceiver)? { state.withLock { $0.receiver } }
    var links: [HandLink] { state.withLock { $0.links.filter { $0.observer != nil } } }

    func start(_ receiver: any PeerReceiver) { state.withLock { $0.receiver = receiver } }

    func connect(to peer: NodeID, at address: String, observer: any PeerLinkObserver) -> any PeerLink {
        let link = HandLink(observer)
        state.withLock { state in
            state.links.removeAll { $0.observer == nil }
            state.links.append(link)
        }
        return link
    }

    func stop() {
        for link in links { link.close() }
        state.withLock { $0.receiver = nil }
    }
}

/// Looks at what the node answers, and lets it go.
final class HandReply: ReplyPath {
    func send(_ reply: PeerReply) {
        let sent = try? PeerCodec.decodeReply(PeerCodec.encode(reply))
        require(sent != nil, "what the node answers cannot be read: \(reply)")
    }
}

/// Counts commands.
struct Tally: StateMachine {
    struct Add: ReplicatedCommand {
        func encode(into bytes: inout [UInt8]) { bytes.append(1) }
        init() {}
        init(decoding bytes: ArraySlice<UInt8>) {}
    }
    private(set) var total = 0

    mutating func apply(_ command: Add, at id: LogID) -> Int {
        total += 1
        return total
    }

    static let makesSnapshots = true
    func snapshot() -> StateSnapshot {
        StateSnapshot { [total] write in
            var bytes: [UInt8] = []
            total.encode(into: &bytes)
            try write(bytes[...])
        }
    }
    mutating func restore(_ contents: inout SnapshotContents, through last: LogID) throws {
        total = try Int(decoding: try contents.all()[...])
    }
}
