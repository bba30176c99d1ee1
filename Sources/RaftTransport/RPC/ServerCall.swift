internal import NIOCore
internal import Synchronization

/// One call, as its handler sees it. Exactly one ``respond(_:)`` or ``fail(_:)`` takes effect, from any thread.
public final class ServerCall: Sendable {
    /// Who calls: what the certificate of the connection says.
    public let principal: Principal
    /// What it calls.
    public let method: Method
    /// The request's bytes.
    public let request: [UInt8]
    /// How long the caller still waited for the answer when the call arrived; nil for ever.
    public let timeout: Duration?
    let stream: UInt32
    private let outbox: Outbox
    private let deadline: NIODeadline
    private let cancelled = Atomic<Bool>(false)
    private let place: CallPlace?

    init(
        _ method: Method, principal: Principal, request: [UInt8], timeoutMilliseconds: UInt32, stream: UInt32,
        outbox: Outbox, place: CallPlace? = nil, arrival: NIODeadline = .now()
    ) {
        self.place = place
        self.method = method
        self.principal = principal
        self.request = request
        self.stream = stream
        self.outbox = outbox
        timeout = timeoutMilliseconds == 0 ? nil : .milliseconds(Int64(timeoutMilliseconds))
        deadline =
            timeoutMilliseconds == 0 ? .distantFuture : arrival + .milliseconds(Int64(timeoutMilliseconds))
    }

    /// Whether nobody waits for the answer any more: the caller cancelled, its deadline passed, or it is gone.
    public var isCancelled: Bool { cancelled.load(ordering: .relaxed) || NIODeadline.now() > deadline }

    func cancel() { cancelled.store(true, ordering: .relaxed) }

    /// Answers the call. Without effect when it was answered before, or the connection is gone.
    public func respond(_ bytes: [UInt8]) { answer(.success(bytes)) }
    /// Refuses the call. Without effect when it was answered before, or the connection is gone.
    public func fail(_ status: RPCStatus) { answer(.failure(status)) }

    private func answer(_ answer: Result<[UInt8], RPCStatus>) {
        place?.giveBack()
        outbox.post(.answer(self, answer))
    }
}
