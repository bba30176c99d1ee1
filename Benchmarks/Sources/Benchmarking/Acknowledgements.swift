/// When writes were acknowledged, and how long none was.
public struct Acknowledgements: Sendable {
    /// A time without an acknowledgement: from one to the next.
    public struct Pause: Hashable, Sendable {
        public var start: Int64
        public var end: Int64
        public var length: Int64 { end - start }
        public init(start: Int64, end: Int64) {
            self.start = start
            self.end = end
        }
    }

    /// All pauses, in their order.
    private let pauses: [Pause]

    /// - Parameters:
    ///   - moments: when writes were acknowledged, in nanoseconds; in any order.
    ///   - start: when the first write was due, and `end`: when the last answer was waited for. Before the first
    ///     acknowledgement, and after the last, there is a pause too.
    public init(_ moments: some Sequence<Int64>, from start: Int64, to end: Int64) {
        let bounds = [start] + moments.filter { $0 > start && $0 < end }.sorted() + [max(start, end)]
        pauses = zip(bounds, bounds.dropFirst()).map { Pause(start: $0, end: $1) }
    }

    /// The longest pause of which any part lies in the window, in its whole length.
    public func longest(from start: Int64, to end: Int64) -> Pause? {
        overlapping(start, end).max { $0.length < $1.length }
    }

    /// All pauses of at least `least` nanoseconds of which any part lies in the window, in their whole length, together.
    public func total(from start: Int64, to end: Int64, ofAtLeast least: Int64) -> Int64 {
        overlapping(start, end).filter { $0.length >= least }.reduce(0) { $0 + $1.length }
    }

    private func overlapping(_ start: Int64, _ end: Int64) -> [Pause] {
        pauses.filter { $0.start < end && $0.end > start }
    }
}
