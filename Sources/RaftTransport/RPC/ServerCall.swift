internal import Synchronization

/// One call, as its handler sees it. Exactly one ``respond(_:)`` or ``fail(_:)`` takes effect, from any thread.
public final class ServerCall: Sendable {
    /// Who calls: what the certificate of the connection says.
    public let principal: Principal
    /// The request's bytes.
    public let request: [UInt8]
    /// How long the caller still waited for the answer when the call arrived; nil for ever.
    public let timeout: Duration?
    let stream: UInt32
    private let cancelled = Atomic<Bool>(false)

    init(principal: Principal, request: [UInt8], timeout: Duration?, stream: UInt32) {
        self.principal = principal
        self.request = request
        self.timeout = timeout
        self.stream = stream
    }

    /// Whether nobody waits for the answer any more: the caller cancelled, its deadline passed, or it is gone.
    public var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    /// Answers the call. Without effect when it was answered before, or the connection is gone.
    public func respond(_ bytes: [UInt8]) {}
    /// Refuses the call. Without effect when it was answered before, or the connection is gone.
    public func fail(_ status: RPCStatus) {}
}
