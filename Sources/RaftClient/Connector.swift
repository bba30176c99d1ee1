internal import NIOCore
package import RaftTransport

/// How a client reaches a node: the seam at which tests put nodes of their own.
package protocol Connector: Sendable {
    /// - Throws: an ``RPCStatus`` with `wasSent` false.
    func connect(
        to endpoint: String, purpose: Purpose, timeout: Duration
    ) async throws(RPCStatus) -> any Channel
}

/// A connection on which calls are made, many at a time.
package protocol Channel: AnyObject, Sendable {
    var isOpen: Bool { get }
    /// Calls wait, and the node owes a sign of life.
    var isInDoubt: Bool { get }
    func call(_ method: Method, _ request: [UInt8], timeout: Duration) async throws(RPCStatus) -> [UInt8]
    /// Opens a stream. `listener` hears what comes; if the stream cannot be opened it hears its end.
    func openStream(_ method: Method, _ listener: any ClientStreamListener) -> any ClientStream
    func close() async
}

extension RPCConnection: Channel {}

/// Connections over TLS. The transport sees to it that the server is a peer of the certificate's own cluster.
struct TLSConnector: Connector {
    let tls: TLSContext
    let group: any EventLoopGroup

    func connect(
        to endpoint: String, purpose: Purpose, timeout: Duration
    ) async throws(RPCStatus) -> any Channel {
        try await RPCConnection.connect(to: endpoint, tls: tls, purpose: purpose, on: group, timeout: timeout)
    }
}

/// Time as a client sees it: the seam at which tests let it fly.
package protocol ClientClock: Sendable {
    /// Since some fixed point.
    var now: Duration { get }
    /// - Throws: when the task is cancelled.
    func pause(_ duration: Duration) async throws
    /// Waits until so much time has passed beside something else, which is given up then; cancelled when that was first.
    ///
    /// - Throws: when the task is cancelled.
    func waitOut(_ duration: Duration) async throws
}

struct SystemClock: ClientClock {
    private let start = ContinuousClock.now
    var now: Duration { ContinuousClock.now - start }
    func pause(_ duration: Duration) async throws { try await ContinuousClock().sleep(for: duration) }
    func waitOut(_ duration: Duration) async throws { try await pause(duration) }
}
