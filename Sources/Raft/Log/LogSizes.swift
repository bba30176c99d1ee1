internal import DequeModule

/// How many bytes the entries of a log have, from one index to another: coarsely, in bounded memory for a log of any
/// length. Entries that were there before this process was are not counted.
struct LogSizes: Sendable {
    /// A mark is set at most every so many bytes, and wider apart when there are too many.
    private static let finestStep = 16 << 10
    private static let maximumMarkCount = 1024

    private struct Mark: Sendable {
        var index: LogIndex
        /// Of every entry through `index` that was counted.
        var total: Int
    }
    /// In order; never empty.
    private var marks: Deque<Mark>
    private var step = Self.finestStep

    init(from index: LogIndex) { marks = [Mark(index: index, total: 0)] }

    mutating func append(_ bytes: Int, through index: LogIndex) {
        let newest = marks[marks.count - 1]
        let total = newest.total + bytes
        if marks.count > 1, total - marks[marks.count - 2].total < step {
            marks[marks.count - 1] = Mark(index: index, total: total)
        } else {
            marks.append(Mark(index: index, total: total))
            if marks.count > Self.maximumMarkCount { thin() }
        }
    }

    /// Every second mark goes, except the first and the last.
    private mutating func thin() {
        step *= 2
        let last = marks.count - 1
        marks = Deque(marks.enumerated().filter { $0.offset % 2 == 0 || $0.offset == last }.map(\.element))
    }

    mutating func truncate(through index: LogIndex) {
        let total = total(through: index)
        while marks.count > 1, marks[marks.count - 1].index > index { marks.removeLast() }
        let newest = marks[marks.count - 1]
        if newest.index > index {
            marks[0] = Mark(index: index, total: newest.total)
        } else if newest.index < index {
            marks.append(Mark(index: index, total: total))
        }
    }

    mutating func purge(through index: LogIndex) {
        while marks.count > 1, marks[1].index <= index { marks.removeFirst() }
    }

    func bytes(after first: LogIndex, through last: LogIndex) -> Int {
        max(0, total(through: last) - total(through: first))
    }

    func index(before last: LogIndex, maximumBytes: Int) -> LogIndex {
        let through = total(through: last)
        guard through - marks[0].total > maximumBytes else { return .zero }
        return marks.first { through - $0.total <= maximumBytes }.map { min($0.index, last) } ?? last
    }

    /// Up to the mark at or below `index`, plus the share of the way to the next.
    private func total(through index: LogIndex) -> Int {
        var low = 0
        var high = marks.count - 1
        guard index > marks[0].index else { return marks[0].total }
        while low < high {
            let middle = (low + high + 1) / 2
            if marks[middle].index <= index { low = middle } else { high = middle - 1 }
        }
        guard low + 1 < marks.count else { return marks[low].total }
        let (from, to) = (marks[low], marks[low + 1])
        let share = Double(index.distance(above: from.index)) / Double(max(1, to.index.distance(above: from.index)))
        return from.total + Int(Double(to.total - from.total) * share)
    }
}
