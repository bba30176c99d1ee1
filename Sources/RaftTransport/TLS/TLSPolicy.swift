/// What one side wants of the other, asked during the handshake.
struct TLSPolicy: Sendable {
    /// Server: whether a purpose that the client asks for is served here.
    var serves: @Sendable (Purpose) -> Bool
    /// Whether the holder of a valid certificate is welcome for this purpose; nil when it is, else why not. The reason
    /// is for the log here: the other side, not yet known, gets an alert only.
    var judge: @Sendable (Principal, Purpose) -> TLSRefusal?
}
