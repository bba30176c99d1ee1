internal import DequeModule
internal import Synchronization

/// One end of a bidirectional stream of messages. Any thread may use it.
///
/// Flow control is by credit: each end may have only so many bytes on their way that the other end has not yet
/// ``consumed(_:)``. What is sent beyond that waits here.
public final class RPCStream: @unchecked Sendable {
    // @unchecked: `flow`, `handler` and `place` belong to the connection's event loop; the rest is constant or atomic.

    /// What the event loop keeps of a stream.
    struct Flow {
        var id: UInt32 = 0
        /// What we may still send.
        var sendCredit = 0
        /// What the other end may still send.
        var receiveCredit = 0
        /// Dealt with, but not yet told the other end.
        var unreturned = 0
        var waiting: Deque<[UInt8]> = []
        /// How it ends once `waiting` is empty: nil not yet, `.some(nil)` well.
        var ending: RPCStatus??
        var hasFinished = false
    }

    /// The most bytes that wait in one stream.
    static let maximumWaitingBytes = 16 << 20

    let outbox: Outbox
    let method: Method
    /// Who is at the other end.
    public let principal: Principal
    var flow = Flow()
    var handler: (any RPCStreamHandler)?
    /// Of its caller's share, until it has ended.
    var place: CallPlace?
    private let waitingBytes = Atomic<Int>(0)
    private let ended = Atomic<Bool>(false)

    init(_ outbox: Outbox, _ method: Method, principal: Principal) {
        self.outbox = outbox
        self.method = method
        self.principal = principal
    }

    /// Whether the stream has come to its end.
    public var isEnded: Bool { ended.load(ordering: .relaxed) }

    /// Sends a message. An urgent one overtakes bulk and needs no credit.
    ///
    /// - Parameter isUrgent: only for messages up to 32 KiB; larger ones are bulk all the same.
    /// - Returns: false when it was not taken: it is above 4 MiB, the stream has ended, or 16 MiB are waiting already.
    @discardableResult
    public func send(_ message: [UInt8], isUrgent: Bool = false) -> Bool {
        guard !isEnded, message.count <= TransportLimits.hardMessageBytes else { return false }
        if isUrgent && message.count <= 32_768 { return outbox.post(.send(self, message, isUrgent: true)) }
        let waiting = waitingBytes.add(message.count, ordering: .relaxed).newValue
        guard waiting <= Self.maximumWaitingBytes, outbox.post(.send(self, message, isUrgent: false)) else {
            left(message.count)
            return false
        }
        return true
    }

    /// Says that nothing more will be sent from this end, behind everything sent. At the serving end this ends the
    /// stream well.
    public func finish() { outbox.post(.finish(self)) }

    /// Ends the stream: the serving end with this status, the calling end by cancelling. What waits is not sent.
    public func end(_ status: RPCStatus) { outbox.post(.end(self, status)) }

    /// Gives back the credit of `byteCount` received bytes, once they have been dealt with: the other end may send
    /// as many again.
    public func consumed(_ byteCount: Int) { outbox.post(.consumed(self, byteCount)) }

    func left(_ byteCount: Int) { waitingBytes.subtract(byteCount, ordering: .relaxed) }

    /// - Returns: the handler, the first time.
    func markEnded() -> (any RPCStreamHandler)? {
        guard !ended.exchange(true, ordering: .relaxed) else { return nil }
        defer { handler = nil }
        flow.waiting = []
        place = nil
        return handler
    }
}

/// Whoever receives a stream. Called on the connection's event loop.
public protocol RPCStreamHandler: AnyObject, Sendable {
    func streamReceived(_ message: [UInt8], on stream: RPCStream)
    /// The other end will send no more messages.
    func streamFinished(_ stream: RPCStream)
    /// The stream is over; nothing follows. nil is a good end. Called once.
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream)
}
