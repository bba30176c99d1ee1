internal import Foundation
internal import Glibc
internal import Synchronization

/// Passes bytes between whoever dials it and one node, counts them by what the connection is for, and can cut.
///
/// What a connection is for is read from the clear part of its TLS handshake, where the protocol is asked for (ALPN):
/// the content stays sealed, as on any network.
public final class CuttingProxy: Sendable {
    public struct Count: Codable, Hashable, Sendable {
        /// Towards the node, and back.
        public var forward = 0
        public var backward = 0
        public var connections = 0
    }

    private final class Flow: Sendable {
        let client: Int32
        let server: Int32
        let purpose = Mutex<String?>(nil)
        /// How many of its two directions are over.
        let overCount = Mutex(0)
        init(client: Int32, server: Int32) {
            self.client = client
            self.server = server
        }
    }

    private struct State {
        var counts: [String: Count] = [:]
        var flows: [ObjectIdentifier: Flow] = [:]
        /// Of which purpose connections are cut, and once how many bytes in all have gone forward; ascending.
        var cuts: (purpose: String, at: [Int]) = ("", [])
        var cutCount = 0
        var isStopped = false
    }

    public let port: UInt16
    private let listener: Int32
    private let target: UInt16
    private let state = Mutex(State())

    /// Listens on a port of 127.0.0.1 that the kernel chooses.
    ///
    /// - Parameter target: the node's port there.
    public init(to target: UInt16) throws {
        self.target = target
        (listener, port) = try Loopback.listen(backlog: 64)
        let thread = Thread { [self] in accept() }
        thread.start()
    }

    /// Cuts off the connection of `purpose` that has brought all such connections together to so many bytes forward, for
    /// each of `bytes`.
    public func cut(_ purpose: String, at bytes: [Int]) { state.withLock { $0.cuts = (purpose, bytes.sorted()) } }

    public func count(of purpose: String) -> Count { state.withLock { $0.counts[purpose] ?? Count() } }
    public var cutCount: Int { state.withLock { $0.cutCount } }

    /// Ends it, and every connection through it.
    public func stop() {
        let flows = state.withLock { state in
            state.isStopped = true
            return Array(state.flows.values)
        }
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        for flow in flows { end(flow) }
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            guard client >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                return
            }
            guard let server = try? Loopback.connect(to: target) else {
                close(client)
                continue
            }
            for socket in [client, server] { Loopback.tune(socket) }
            let flow = Flow(client: client, server: server)
            let isStopped = state.withLock { state in
                state.flows[ObjectIdentifier(flow)] = flow
                return state.isStopped
            }
            if isStopped { end(flow) }
            Thread { [self] in run(flow, isForward: false) }.start()
            Thread { [self] in run(flow, isForward: true) }.start()
        }
    }

    private func run(_ flow: Flow, isForward: Bool) {
        let (source, sink) = isForward ? (flow.client, flow.server) : (flow.server, flow.client)
        pump(from: source, to: sink, flow, isForward: isForward)
        end(flow)
        let isLast = flow.overCount.withLock { count in
            count += 1
            return count == 2
        }
        guard isLast else { return }
        // Both directions are over: nobody uses the numbers any more.
        state.withLock { state in
            state.flows[ObjectIdentifier(flow)] = nil
            close(flow.client)
            close(flow.server)
        }
    }

    private func end(_ flow: Flow) {
        state.withLock { state in
            // Its numbers may be somebody else's once it is gone.
            guard state.flows[ObjectIdentifier(flow)] != nil else { return }
            shutdown(flow.client, Int32(SHUT_RDWR))
            shutdown(flow.server, Int32(SHUT_RDWR))
        }
    }

    private func pump(from source: Int32, to sink: Int32, _ flow: Flow, isForward: Bool) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var isFirst = true
        while true {
            let got = read(source, &buffer, buffer.count)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return }
            if isForward, isFirst { begin(flow, buffer[..<got]) }
            isFirst = false
            guard noted(got, flow, isForward: isForward) else { return end(flow) }
            var sent = 0
            while sent < got {
                let more = buffer.withUnsafeBytes {
                    send(sink, $0.baseAddress! + sent, got - sent, Int32(MSG_NOSIGNAL))
                }
                if more < 0, errno == EINTR { continue }
                guard more > 0 else { return }
                sent += more
            }
        }
    }

    /// The first bytes that a client sends are its hello.
    private func begin(_ flow: Flow, _ hello: ArraySlice<UInt8>) {
        let purpose = Self.purpose(inHello: Array(hello))
        flow.purpose.withLock { $0 = purpose }
        state.withLock { $0.counts[purpose, default: Count()].connections += 1 }
    }

    /// - Returns: false when the connection is to be cut now.
    private func noted(_ bytes: Int, _ flow: Flow, isForward: Bool) -> Bool {
        let purpose = flow.purpose.withLock { $0 } ?? "unknown"
        return state.withLock { state in
            if !isForward {
                state.counts[purpose, default: Count()].backward += bytes
                return true
            }
            state.counts[purpose, default: Count()].forward += bytes
            guard purpose == state.cuts.purpose, let next = state.cuts.at.first,
                state.counts[purpose]?.forward ?? 0 >= next
            else { return true }
            state.cuts.at.removeFirst()
            state.cutCount += 1
            return false
        }
    }

    /// The protocol that a ClientHello asks for, of those that nodes speak.
    package static func purpose(inHello bytes: [UInt8]) -> String {
        for name in ["raft-snapshot/1", "raft-client/1", "raft-admin/1", "raft/1"] {
            // As ALPN writes it: the length, then the name.
            let pattern = [UInt8(name.utf8.count)] + Array(name.utf8)
            guard bytes.count >= pattern.count else { continue }
            for start in 0...(bytes.count - pattern.count)
            where bytes[start] == pattern[0] && bytes[start..<(start + pattern.count)].elementsEqual(pattern) {
                return name
            }
        }
        return "unknown"
    }
}
