internal import Benchmarking

/// What a run of `counts` found.
struct CountsReport: Codable, Sendable {
    struct Counts: Codable, Sendable {
        var work: CountedWork
        var part: String
        /// Of one operation; nil where this machine cannot count them.
        var instructions: Double?
        var instructionsOfPart: Double?
        var allocations: Double?
        var systemCalls: Double?
    }

    var counts: [Counts]
    /// What could not be counted, and why.
    var notes: [String]

    var text: String {
        var table = TextTable(["ONE OPERATION OF", "INSTRUCTIONS", "OF THEM IN", "", "ALLOCATIONS", "SYSTEM CALLS"])
        func text(_ value: Double?) -> String { value.map { shown($0) } ?? "-" }
        for count in counts {
            table.add([
                count.work.rawValue, text(count.instructions), count.part, text(count.instructionsOfPart),
                text(count.allocations), text(count.systemCalls),
            ])
        }
        return table.text + notes.map { $0 + "\n" }.joined()
    }
}
