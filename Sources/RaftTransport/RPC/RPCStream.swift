/// One end of a bidirectional stream of messages. Any thread may use it.
public final class RPCStream: Sendable {
    /// Sends a message. An urgent one overtakes bulk and needs no credit; it must be small.
    ///
    /// - Returns: false when it was not taken: the stream has ended, or too much is waiting already.
    @discardableResult
    public func send(_ message: [UInt8], isUrgent: Bool = false) -> Bool { false }

    /// Says that nothing more will be sent from this end. The serving end's `finish` ends the stream well.
    public func finish() {}

    /// Ends the stream: the serving end with this status, the calling end by cancelling.
    public func end(_ status: RPCStatus) {}

    /// Gives back the credit of `byteCount` received bytes, once they have been dealt with: the other end may send
    /// as many again.
    public func consumed(_ byteCount: Int) {}
}

/// Whoever receives a stream. Called on the connection's event loop.
public protocol RPCStreamHandler: AnyObject, Sendable {
    func streamReceived(_ message: [UInt8], on stream: RPCStream)
    /// The other end will send no more messages.
    func streamFinished(_ stream: RPCStream)
    /// The stream is over; nothing follows. nil is a good end.
    func streamEnded(_ status: RPCStatus?, on stream: RPCStream)
}
