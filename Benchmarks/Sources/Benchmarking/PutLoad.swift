public import RaftClient
internal import Synchronization

/// Puts at a fixed rate, whether or not the earlier ones were answered: an open loop. Latencies count from when each was
/// due, so a stall is felt by every put that it held up.
public final class PutLoad: Sendable {
    private struct State {
        var client: KeyValueClient
        var ledger = WriteLedger()
        var isStopped = false
    }

    public let rate: Double
    public let valueBytes: Int
    private let timeout: Duration
    private let state: Mutex<State>
    private let clock = ContinuousClock()
    private let origin: ContinuousClock.Instant

    /// - Parameters:
    ///   - rate: puts a second, above 0.
    ///   - timeout: of one put.
    public init(_ client: KeyValueClient, rate: Double, valueBytes: Int, timeout: Duration) {
        self.rate = rate
        self.valueBytes = max(valueBytes, Self.serialDigits)
        self.timeout = timeout
        state = Mutex(State(client: client))
        origin = clock.now
    }

    /// Nanoseconds since this load was made: the time of everything in its ledger.
    public var now: Int64 { (clock.now - origin).nanoseconds }

    /// So far; what is still under way is not in it.
    public var ledger: WriteLedger { state.withLock { $0.ledger } }

    /// Puts go through this client from now on; those under way stay with theirs.
    ///
    /// - Returns: the one before, to be closed when its puts are over.
    public func use(_ client: KeyValueClient) -> KeyValueClient {
        state.withLock { state in
            defer { state.client = client }
            return state.client
        }
    }

    /// No further put begins.
    public func stop() { state.withLock { $0.isStopped = true } }

    /// Runs until ``stop()``, and until every put has its outcome.
    public func run() async {
        let start = now
        await withDiscardingTaskGroup { group in
            var next = 0
            while true {
                let due = start + Int64(Double(next) / rate * 1e9)
                let wait = due - now
                if wait > 0 {
                    do { try await clock.sleep(for: .nanoseconds(wait), tolerance: .zero) } catch { return }
                }
                guard let client = state.withLock({ $0.isStopped ? nil : $0.client }) else { return }
                let serial = next
                group.addTask { await self.put(serial, due: due, client) }
                next += 1
            }
        }
    }

    private func put(_ serial: Int, due: Int64, _ client: KeyValueClient) async {
        let outcome: WriteLedger.Outcome
        var message: String?
        do throws(RaftClientError) {
            _ = try await client.put(Self.key(serial), value(serial), timeout: timeout)
            outcome = .acknowledged
        } catch {
            message = error.message
            outcome = error.outcome == .unknown ? .unknown("\(error.code)") : .refused("\(error.code)")
        }
        let write = WriteLedger.Write(serial: serial, due: due, ended: now, outcome: outcome)
        state.withLock { $0.ledger.note(write, message: message) }
    }

    // MARK: Keys and values

    private static let prefix = "put-"
    static let serialDigits = 12

    static func key(_ serial: Int) -> [UInt8] { Array((prefix + digits(serial)).utf8) }

    static func serial(of key: [UInt8]) -> Int? {
        let text = String(decoding: key, as: UTF8.self)
        return text.hasPrefix(prefix) ? Int(text.dropFirst(prefix.count)) : nil
    }

    private static func digits(_ serial: Int) -> String {
        let digits = String(serial)
        return String(repeating: "0", count: max(0, serialDigits - digits.count)) + digits
    }

    /// The serial number, filled up with bytes that depend on it.
    func value(_ serial: Int) -> [UInt8] {
        var value = Array(Self.digits(serial).utf8)
        value.reserveCapacity(valueBytes)
        while value.count < valueBytes { value.append(UInt8(truncatingIfNeeded: serial &+ value.count)) }
        return value
    }

    /// Reads back everything that any put may have left.
    ///
    /// - Returns: by serial, whether the value is the one that was written.
    public func readBack(_ client: KeyValueClient) async throws -> [Int: Bool] {
        var found: [Int: Bool] = [:]
        var from = Array(Self.prefix.utf8)
        let end = Array("put.".utf8)  // the first key behind them all
        while true {
            let page = try await client.range(from: from, upTo: end, timeout: .seconds(30))
            for entry in page.entries {
                guard let serial = Self.serial(of: entry.key) else { continue }
                found[serial] = entry.value == value(serial)
            }
            guard page.hasMore, let last = page.entries.last else { return found }
            from = last.key + [0]
        }
    }
}
