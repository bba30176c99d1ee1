internal import DequeModule
internal import Raft
public import RaftKeyValueModel
internal import RaftTransport

/// What a watch tells.
public enum WatchEvent: Hashable, Sendable {
    /// A key was set or removed.
    case change(KeyChange)
    /// Every change through this revision has been told. The first one says where the watch begins; from then on, now
    /// and then, also while nothing changes.
    case progress(revision: UInt64)
}

/// The changes of a range of keys, in order, each once, for as long as somebody asks for the next one.
///
/// Any member serves it. When that one is lost, or has no leader, the watch goes on at another one behind the last event
/// that was given out: without a gap and without a repeat. To go on in another process, keep the revision of the last
/// progress, and begin from the one after it; or keep the last change's ``KeyChange/position``.
///
/// Whoever takes long for an event is sent no more than about 128 KiB and one change ahead; the rest waits in the
/// history. A watch that takes nothing for half a minute while something waits for it is ended by the node, and begun
/// anew when the next event is asked for.
public struct KeyWatch: AsyncSequence, Sendable {
    /// Never the last one: there is always a next.
    public typealias Element = WatchEvent

    let client: KeyValueClient
    let range: KeyRange
    let start: ChangePosition?

    /// Begins the watch, once the first event is asked for. Each iterator is a watch of its own.
    public func makeAsyncIterator() -> Iterator { Iterator(self) }

    /// The events of one watch. Dropping it ends the watch.
    public struct Iterator: AsyncIteratorProtocol {
        private let watch: WatchCourse

        fileprivate init(_ watch: KeyWatch) { self.watch = WatchCourse(watch) }

        /// The next event; waits for it as long as it takes. Never nil.
        ///
        /// - Throws: ``RaftClientError/Code/compacted`` when changes that belong to it are not kept any more: read the
        ///   keys, and watch from the revision after that read. ``RaftClientError/Code/notAuthorized``,
        ///   ``RaftClientError/Code/refused``; ``RaftClientError/Code/cancelled`` when the task is, or the client was
        ///   closed.
        public mutating func next() async throws(RaftClientError) -> WatchEvent? { try await watch.next() }
    }
}

extension KeyValueClient {
    /// Watches a range of keys.
    ///
    /// ```swift
    /// for try await case .change(let change) in client.watch(KeyRange(prefix: Array("services/".utf8))) {
    ///     print(change.entry == nil ? "gone" : "set", change.revision)
    /// }
    /// ```
    ///
    /// - Parameter revision: the first revision whose changes are told, as long as they are kept; nil for what is not
    ///   acknowledged yet when the watch begins.
    public func watch(_ range: KeyRange = KeyRange(), from revision: UInt64? = nil) -> KeyWatch {
        KeyWatch(client: self, range: range, start: revision.map { ChangePosition(before: $0) })
    }

    /// Watches a range of keys from behind one change on.
    public func watch(_ range: KeyRange = KeyRange(), after position: ChangePosition) -> KeyWatch {
        KeyWatch(client: self, range: range, start: position)
    }

    /// Lets the cluster forget the history through a revision: no watch can begin before that then.
    ///
    /// - Returns: through which one it is gone now; more than asked for if it was before.
    public func compact(through revision: UInt64, timeout: Duration? = nil) async throws(RaftClientError) -> UInt64 {
        // Harmless to repeat.
        try await call(
            ClientMethods.compact, CompactRequest(revision: revision).encoded(), isRead: true, timeout
        ) { bytes throws(RPCStatus) in try CompactResponse(decoding: bytes).revision }
    }
}

/// One watch over all its nodes. Belongs to one task at a time.
final class WatchCourse {
    private let watch: KeyWatch
    private var client: KeyValueClient { watch.client }
    private var route: Route
    private var pause: Duration
    private var stream: WatchStream?
    private var events: Deque<(event: WatchEvent, position: ChangePosition)> = []
    /// What the events in hand came in.
    private var heldBytes = 0
    /// Behind the last event that was given out.
    private var position: ChangePosition?

    init(_ watch: KeyWatch) {
        self.watch = watch
        position = watch.start
        route = Route(endpoints: watch.client.endpoints, first: watch.client.spreadFirst)
        pause = watch.client.options.minimumPause
    }

    deinit { stream?.cancel() }

    func next() async throws(RaftClientError) -> WatchEvent {
        while true {
            if let (event, position) = events.popFirst() {
                self.position = position
                return event
            }
            if heldBytes > 0 {
                stream?.took(heldBytes)
                heldBytes = 0
            }
            do throws(RPCStatus) {
                let stream = try await opened()
                switch await stream.next() {
                case .message(let bytes): try take(bytes)
                case .ended(let status):
                    throw status ?? RPCStatus(.unavailable, "the node ended the watch")
                }
            } catch {
                stream?.cancel()
                stream = nil
                try await turn(error)
            }
        }
    }

    private func opened() async throws(RPCStatus) -> WatchStream {
        if let stream { return stream }
        let channel = try await client.pool.channel(
            to: route.endpoint, purpose: .client, within: client.options.connectTimeout)
        let opened = WatchStream(reportBytes: client.options.watchReportBytes)
        opened.begin(WatchRequest(watch.range, after: position), on: channel)
        stream = opened
        return opened
    }

    private func take(_ bytes: [UInt8]) throws(RPCStatus) {
        let response = try WatchResponse(decoding: bytes)
        let changes: [KeyChange]
        do throws(RaftError) { changes = try KeyChange.all(decoding: response.changes[...]) } catch {
            throw RPCStatus(.internal, "the node sent changes that cannot be read: \(error.message)")
        }
        heldBytes += bytes.count
        pause = client.options.minimumPause
        var last = position
        for change in changes where last.map({ $0 < change.position }) ?? true {
            events.append((.change(change), change.position))
            last = change.position
        }
        if response.position.ordinal == .max, last.map({ $0 < response.position }) ?? true {
            events.append((.progress(revision: response.position.revision), response.position))
        }
    }

    /// Goes on after a failure, here or elsewhere, or gives up.
    private func turn(_ status: RPCStatus) async throws(RaftClientError) {
        let endpoint = route.endpoint
        let text = status.message(from: endpoint)
        if Task.isCancelled { throw RaftClientError(.cancelled, "cancelled") }
        let mayGoOn: Bool
        switch CallPolicy.judge(status, isRead: true, endpoint: endpoint) {
        case .give(up: let error): throw error
        case .follow(let address): mayGoOn = route.follow(address)
        case .elsewhere: mayGoOn = route.turn(isRefused: status.code == .unauthenticated)
        case .later: mayGoOn = false
        }
        if route.isRefusedEverywhere { throw RaftClientError(.notAuthorized, text) }
        if mayGoOn { return }
        let jittered = pause * (0.5 + client.random() / 2)
        pause = min(pause * 2, client.options.maximumPause)
        do { try await client.clock.pause(jittered) } catch {
            throw RaftClientError(.cancelled, "cancelled; the last node asked said: \(text)")
        }
    }
}
