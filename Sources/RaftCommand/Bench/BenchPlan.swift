internal import ArgumentParser
internal import Raft
internal import RaftClient

enum BenchWorkload: String, ExpressibleByArgument, CaseIterable {
    case put, get, mixed
}

/// What kind of call.
enum BenchCall: String, CaseIterable {
    case get, put, cas
}

/// What a benchmark does, checked, and every key and value of it: as numbers until the moment they are sent.
struct BenchPlan: Sendable {
    enum Limit: Hashable, Sendable {
        case total(Int)
        case time(Duration)
    }

    var workload = BenchWorkload.mixed
    var clientCount = 16
    var limit = Limit.time(.seconds(10))
    var keyCount = 1000
    var keySize = 16
    var valueSize = 128
    /// The share of gets among all calls, and of compare-and-swaps among the others.
    var readRatio = 0.5
    var casRatio = 0.0
    var reads = Consistency.linearizable
    /// Calls a second; nil for as fast as the answers come.
    var rate: Double?
    /// What this run's keys begin with. Empty when the keys of earlier runs may be used again.
    var tag = ""

    /// - Throws: what does not go together.
    func check() throws(ArgumentProblem) {
        guard (1...10_000).contains(clientCount) else { throw .init("--clients \(clientCount): 1 to 10000") }
        switch limit {
        case .total(let count): guard count >= 1 else { throw .init("--total \(count): at least 1") }
        case .time: break
        }
        guard (1...10_000_000).contains(keyCount) else { throw .init("--keys \(keyCount): 1 to 10000000") }
        let least = tag.utf8.count + String(keyCount - 1).utf8.count
        guard (least...511).contains(keySize) else {
            throw .init("--key-size \(keySize): \(keyCount) keys need \(least) to 511 bytes\(tagNote)")
        }
        guard (Self.serialSize...(64 << 20)).contains(valueSize) else {
            throw .init(
                "--value-size \(valueSize): from \(Self.serialSize) bytes, the number that makes each value differ, to 64 MiB"
            )
        }
        for (name, ratio) in [("--read-ratio", readRatio), ("--cas-ratio", casRatio)] {
            guard (0...1).contains(ratio) else { throw .init("\(name) \(ratio): 0 to 1") }
        }
        if let rate {
            guard rate >= 0.001, rate <= 10_000_000 else {
                throw .init("--rate \(rate): 0.001 to 10000000 calls a second")
            }
        }
    }

    private var tagNote: String { tag.isEmpty ? "" : ", with the \(tag.utf8.count) that mark the run of a history" }

    // MARK: Calls

    func nextCall(_ random: inout RandomSource) -> BenchCall {
        switch workload {
        case .put: .put
        case .get: .get
        case .mixed:
            Self.isHit(readRatio, &random) ? .get : Self.isHit(casRatio, &random) ? .cas : .put
        }
    }

    private static func isHit(_ share: Double, _ random: inout RandomSource) -> Bool {
        Double(random.next() >> 11) / Double(1 << 53) < share
    }

    /// When the call with this number, from 0 on, is due after the start. Nil without a rate.
    func dueTime(_ number: Int) -> Duration? { rate.map { .seconds(1) * (Double(number) / $0) } }

    // MARK: Keys and values

    func key(_ number: Int) -> String {
        let digits = String(number)
        return tag + String(repeating: "0", count: keySize - tag.utf8.count - digits.utf8.count) + digits
    }

    /// The same as bytes.
    func keyBytes(_ number: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: keySize) { buffer, count in
            count = keySize
            var rest = number
            for position in stride(from: keySize - 1, through: tag.utf8.count, by: -1) {
                buffer[position] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
            for (position, byte) in tag.utf8.enumerated() { buffer[position] = byte }
        }
    }

    /// Whether a call may be a compare-and-swap.
    var hasSwaps: Bool { workload == .mixed && casRatio > 0 }

    /// Enough digits for every call that one run could make.
    static let serialSize = 12

    /// A value of its own for each write: its serial number, filled up with dots.
    func value(_ serial: UInt64) -> [UInt8] {
        var value = [UInt8](repeating: UInt8(ascii: "."), count: valueSize)
        value.replaceSubrange(0..<Self.serialSize, with: Self.shown(serial).utf8)
        return value
    }

    static func shown(_ serial: UInt64) -> String {
        let digits = String(serial)
        return String(repeating: "0", count: max(0, serialSize - digits.utf8.count)) + digits
    }

    /// Which write's value this is; nil if it is none that this plan writes, byte for byte.
    func serial(of value: [UInt8]) -> UInt64? {
        guard value.count == valueSize, let serial = UInt64(String(decoding: value[..<Self.serialSize], as: UTF8.self)),
            value == self.value(serial)
        else { return nil }
        return serial
    }
}
