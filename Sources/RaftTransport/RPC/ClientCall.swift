internal import NIOCore

/// One call on its way, at the caller.
final class ClientCall: @unchecked Sendable {
    // @unchecked, for the compiler and the runtime: what changes belongs to the connection's event loop.
    typealias Completion = @Sendable (Result<[UInt8], RPCStatus>) -> Void

    let method: Method
    let deadline: NIODeadline
    /// Given away when the call is sent.
    @exclusivity(unchecked) var request: [UInt8]
    /// 0 while it waits for a place.
    @exclusivity(unchecked) var stream: UInt32 = 0
    /// How many bytes of small frames the queue had been given before this one; nil for a large request.
    @exclusivity(unchecked) private var position: UInt64?
    @exclusivity(unchecked) private var completion: Completion?
    /// The caller cancelled before the connection had heard of the call.
    @exclusivity(unchecked) private(set) var isAbandoned = false
    @exclusivity(unchecked) private var hasBegun = false

    init(_ method: Method, _ request: [UInt8], deadline: NIODeadline) {
        self.method = method
        self.request = request
        self.deadline = deadline
    }

    /// Says who is told of the outcome, once, and before anything else is made of the call.
    func onCompletion(_ completion: @escaping Completion) { self.completion = completion }

    /// The connection hears of the call. From here on, the completion is this loop's.
    func begin() { hasBegun = true }

    /// The caller cancels, perhaps before all that.
    ///
    /// - Returns: whether the call is at work.
    func abandon() -> Bool {
        isAbandoned = true
        return hasBegun && completion != nil
    }

    /// Takes the request out, to be queued next.
    func takeRequest(_ queue: borrowing FrameQueue) -> [UInt8] {
        position = FrameQueue.isLarge(request.count) ? nil : queue.smallAdded
        defer { request = [] }
        return request
    }

    /// Whether any of its bytes have left the queue.
    func hasLeft(_ queue: borrowing FrameQueue) -> Bool {
        guard stream != 0 else { return false }
        if let position { return position < queue.smallTaken }
        return !queue.isUntouched(stream)
    }

    var isDone: Bool { completion == nil }

    func complete(_ result: Result<[UInt8], RPCStatus>) {
        guard let completion else { return }
        self.completion = nil
        completion(result)
    }
}
