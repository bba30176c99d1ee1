internal import CBareTLS
internal import Dispatch
internal import Glibc
internal import Synchronization

/// Handshakes with a certificate that nobody lets in, begun at a steady rate from many addresses of this machine.
public final class FailingFlood: Sendable {
    public struct Figures: Sendable {
        /// Refused with an alert, as each must be that is looked at.
        public var refused = 0
        /// Closed without a word, or not accepted in time.
        public var cutOff = 0
        public var letIn = 0
    }
    private let ports: [UInt16]
    private let addressCount: Int
    private let perSecond: Double
    private let certificate: String
    private let key: String
    private let stopped = Atomic<Bool>(false)
    private let state = Mutex(Figures())

    private static let threadCount = 8

    /// - Parameters:
    ///   - ports: where to connect to, in turn.
    ///   - addressCount: from how many addresses, 127.0.0.2 being the first.
    public init(ports: [UInt16], addressCount: Int, perSecond: Double, certificate: String, key: String) {
        self.ports = ports
        self.addressCount = addressCount
        self.perSecond = perSecond
        self.certificate = certificate
        self.key = key
    }

    public var figures: Figures { state.withLock { $0 } }

    public func stop() { stopped.store(true, ordering: .relaxed) }

    /// Runs on threads of its own until ``stop()``.
    public func run() async {
        let start = DispatchTime.now().uptimeNanoseconds
        await withDiscardingTaskGroup { group in
            for thread in 0..<Self.threadCount {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        DispatchQueue(label: "failing \(thread)").async {
                            self.work(thread, start)
                            continuation.resume()
                        }
                    }
                }
            }
        }
    }

    private func work(_ first: Int, _ start: UInt64) {
        guard let caller = bare_tls_caller_new(certificate, key, "raft-client/1") else { return }
        defer { bare_tls_caller_free(caller) }
        var number = first
        while !stopped.load(ordering: .relaxed) {
            let due = start + UInt64(Double(number) / perSecond * 1e9)
            let now = DispatchTime.now().uptimeNanoseconds
            if due > now { usleep(UInt32(clamping: (due - now) / 1000)) }
            let address = Loopback.attacker(number % addressCount)
            let socket = Loopback.connect(to: ports[number % ports.count], from: address, waits: true)
            let end = socket.map { bare_tls_attempt(caller, $0) } ?? BARE_TLS_CUT_OFF
            if let socket { close(socket) }
            state.withLock { figures in
                switch end {
                case BARE_TLS_LET_IN: figures.letIn += 1
                case BARE_TLS_REFUSED: figures.refused += 1
                default: figures.cutOff += 1
                }
            }
            number += Self.threadCount
        }
    }
}
