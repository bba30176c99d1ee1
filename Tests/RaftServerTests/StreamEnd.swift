import RaftTransport

/// Waits for how a stream ends.
final class StreamEnd: RPCStreamHandler {
    let statuses: AsyncStream<RPCStatus?>
    private let feed: AsyncStream<RPCStatus?>.Continuation
    init() { (statuses, feed) = AsyncStream.makeStream(of: RPCStatus?.self) }
    func streamReceived(_ message: [UInt8], on stream: RPCStream) { stream.consumed(message.count) }
    func streamFinished(_ stream: RPCStream) {}
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream) {
        feed.yield(status)
        feed.finish()
    }

    /// Nil for a good end.
    var status: RPCStatus? {
        get async {
            for await status in statuses { return status }
            return nil
        }
    }
}
