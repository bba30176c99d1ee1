internal import CoreMetrics
internal import Raft
internal import Synchronization

/// A backend of swift-metrics that keeps values to be fetched, as text in the format that Prometheus reads (0.0.4).
///
/// Counters and gauges are what they are; timers are histograms, in seconds. Labels and dimensions that the format cannot
/// have are changed into such as it can: they come from this program, and never from a caller.
final class PrometheusMetrics: MetricsFactory {
    private struct Key: Hashable, Comparable {
        let name: String
        /// As the format has them, braces included; empty without any.
        let dimensions: String

        static func < (left: Key, right: Key) -> Bool {
            (left.name, left.dimensions) < (right.name, right.dimensions)
        }
    }
    private let values = Lock<[Key: any Value]>([:])

    // MARK: Making

    private func find<Wanted: Value>(
        _ label: String, _ dimensions: [(String, String)], _ make: () -> Wanted
    ) -> Wanted {
        let key = Key(name: Self.name(label), dimensions: Self.text(dimensions))
        return values.withLock { values in
            if let value = values[key] as? Wanted { return value }
            let value = make()
            values[key] = value
            return value
        }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        find(label + "_total", dimensions) { Count() }
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? find(label, dimensions) { Histogram(Histogram.sizes) } : find(label, dimensions) { Gauge() }
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        find(label, dimensions) { Gauge() }
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        find(label, dimensions) { Histogram(Histogram.seconds) }
    }

    // Nothing that is made here goes before the process does.
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    // MARK: Text

    /// All values as they are now, ordered by name.
    var text: String {
        let all = values.withLock { $0 }.sorted { $0.key < $1.key }
        var text = ""
        var name: String?
        for (key, value) in all {
            if key.name != name { text += "# TYPE \(key.name) \(type(of: value).kind)\n" }
            name = key.name
            value.write(key.name, key.dimensions, to: &text)
        }
        return text
    }

    private static func name(_ label: String) -> String {
        let text = String(
            label.unicodeScalars.map { scalar in
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9", "_", ":": Character(scalar)
                default: "_"
                }
            })
        return text.first?.isNumber == true ? "_" + text : text
    }

    private static func text(_ dimensions: [(String, String)]) -> String {
        guard !dimensions.isEmpty else { return "" }
        let pairs = dimensions.sorted { $0.0 < $1.0 }.map { label, value in
            let shown = value.reduce(into: "") { text, character in
                switch character {
                case "\\": text += "\\\\"
                case "\"": text += "\\\""
                case "\n": text += "\\n"
                default: text.append(character)
                }
            }
            return "\(name(label))=\"\(shown)\""
        }
        return "{" + pairs.joined(separator: ",") + "}"
    }
}

private protocol Value: AnyObject, Sendable {
    static var kind: String { get }
    func write(_ name: String, _ dimensions: String, to text: inout String)
}

private final class Count: Value, CounterHandler {
    static let kind = "counter"
    private let count = Atomic<Int64>(0)
    func increment(by amount: Int64) { count.add(amount, ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }
    func write(_ name: String, _ dimensions: String, to text: inout String) {
        text += "\(name)\(dimensions) \(count.load(ordering: .relaxed))\n"
    }
}

private final class Gauge: Value, MeterHandler, RecorderHandler {
    static let kind = "gauge"
    private let value = Lock(0.0)
    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
    func write(_ name: String, _ dimensions: String, to text: inout String) {
        text += "\(name)\(dimensions) \(value.withLock { $0 }.exposed)\n"
    }
}

private final class Histogram: Value, TimerHandler, RecorderHandler {
    static let kind = "histogram"
    /// 100 µs to 10 s.
    static let seconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
    static let sizes = [1.0, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000]

    private struct State {
        var counts: [Int64]
        var sum = 0.0
    }
    private let bounds: [Double]
    private let state: Lock<State>

    init(_ bounds: [Double]) {
        self.bounds = bounds
        state = Lock(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    func write(_ name: String, _ dimensions: String, to text: inout String) {
        let state = state.withLock { $0 }
        let others = dimensions.isEmpty ? "" : dimensions.dropFirst().dropLast() + ","
        var count: Int64 = 0
        for (bound, more) in zip(bounds.map(\.exposed) + ["+Inf"], state.counts) {
            count += more
            text += "\(name)_bucket{\(others)le=\"\(bound)\"} \(count)\n"
        }
        text += "\(name)_sum\(dimensions) \(state.sum.exposed)\n\(name)_count\(dimensions) \(count)\n"
    }
}

extension Double {
    /// As the format has it: whole numbers without a fraction.
    fileprivate var exposed: String {
        if isNaN { return "NaN" }
        if isInfinite { return self < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: self).map(String.init) ?? "\(self)"
    }
}
