internal import Dispatch
internal import Glibc
internal import Synchronization

/// Connections that begin a TLS handshake and never go on with it, from many addresses of this machine: the oldest are
/// given up for new ones, so that there are always as many.
public final class HalfOpenFlood: Sendable {
    private let ports: [UInt16]
    private let addressCount: Int
    private let count: Int
    private let perSecond: Int
    private let stopped = Atomic<Bool>(false)
    private let opened = Atomic<Int>(0)
    private let failed = Atomic<Int>(0)

    /// - Parameters:
    ///   - ports: where to connect to, in turn.
    ///   - addressCount: from how many addresses, 127.0.0.2 being the first.
    ///   - count: how many are held at once.
    ///   - perSecond: how many begin each second; from 100.
    public init(ports: [UInt16], addressCount: Int, count: Int, perSecond: Int) {
        self.ports = ports
        self.addressCount = addressCount
        self.count = count
        self.perSecond = perSecond
    }

    /// How many were begun, and how many could not be.
    public var figures: (opened: Int, failed: Int) {
        (opened.load(ordering: .relaxed), failed.load(ordering: .relaxed))
    }

    public func stop() { stopped.store(true, ordering: .relaxed) }

    /// Runs on a thread of its own until ``stop()``.
    public func run() async {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "flood").async {
                self.work()
                continuation.resume()
            }
        }
    }

    private func work() {
        Self.raiseLimit(to: count + 1024)
        // The head of a hello of 512 bytes, of which nothing more comes.
        let hello: [UInt8] = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3] + [UInt8](repeating: 7, count: 32)
        var ring: [Int32] = []
        var oldest = 0
        var number = 0
        while !stopped.load(ordering: .relaxed) {
            for _ in 0..<(perSecond / 100) {
                number += 1
                let address = Loopback.attacker(number % addressCount)
                guard let socket = Loopback.connect(to: ports[number % ports.count], from: address, waits: false) else {
                    failed.add(1, ordering: .relaxed)
                    continue
                }
                _ = send(socket, hello, hello.count, Int32(MSG_NOSIGNAL))
                opened.add(1, ordering: .relaxed)
                if ring.count < count {
                    ring.append(socket)
                } else {
                    close(ring[oldest])
                    ring[oldest] = socket
                    oldest = (oldest + 1) % count
                }
            }
            usleep(10_000)
        }
        for socket in ring { close(socket) }
    }

    /// Lets this process have so many files open, as far as it may.
    private static func raiseLimit(to count: Int) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, rlim_t(count)))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
