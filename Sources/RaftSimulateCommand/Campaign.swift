import Foundation
import RaftSimulation

/// Runs many seeds, several at a time, and gathers what became of them.
struct Campaign {
    let runs: any Collection<SeedRun>
    let jobs: Int
    let minutes: Double?

    func run() async -> Outcome {
        let begin = Date()
        let deadline = minutes.map { begin.addingTimeInterval($0 * 60) }
        var outcome = Outcome()
        let count = runs.count
        var source = runs.makeIterator() as any IteratorProtocol<SeedRun>
        await concurrently(jobs) {
            deadline.map { Date() < $0 } ?? true ? source.next() : nil
        } _: { run in
            (run, Result { try run.run() })
        } done: { run, result in
            outcome.add(run, result)
            if case .failure(let error) = result { print("\(run.line): \(error)") }
            if outcome.done % 100 == 0 { progress(outcome.done, of: count, since: begin) }
        }
        outcome.seconds = Date().timeIntervalSince(begin)
        return outcome
    }

    private func progress(_ done: Int, of count: Int, since begin: Date) {
        let rate = Double(done) / max(Date().timeIntervalSince(begin), 0.001)
        let left = Int(Double(count - done) / max(rate, 0.001))
        FileHandle.standardError.write(
            Data("\(done) of \(count) seeds, \(Int(rate)) a second, \(left) s left\n".utf8))
    }

    /// What became of the seeds.
    struct Outcome {
        private(set) var done = 0
        private var events = 0
        private var operations = 0
        private var virtual = Duration.zero
        private(set) var failed: [(run: SeedRun, text: String)] = []
        private var hashes: [(run: SeedRun, hash: UInt64)] = []
        private var reached = [Int](repeating: 0, count: MarkSet.names.count)
        var seconds = 0.0

        mutating func add(_ run: SeedRun, _ result: Result<SimulationReport, any Error>) {
            done += 1
            switch result {
            case .success(let report):
                events += report.events
                operations += report.acknowledged + report.reads
                virtual += report.virtualTime
                hashes.append((run, report.trace))
                for (position, mark) in report.marks.all.enumerated() where mark.isReached { reached[position] += 1 }
            case .failure(let error): failed.append((run, "\(error)"))
            }
        }

        var summary: String {
            let rate = Int(Double(events) / max(seconds, 0.001))
            let ratio = Int(Double(virtual.components.seconds) / max(seconds, 0.001))
            return
                "\(done) seeds, \(events) events, \(operations) operations in \(Int(seconds)) s (\(rate) events a second, \(ratio) times real time), \(failed.count) failed"
        }

        var failureLines: String {
            failed.sorted { $0.run.seed < $1.run.seed }.map {
                "\($0.run.line)  # \($0.text.prefix { $0 != "\n" })\n"
            }.joined()
        }

        var hashLines: String {
            hashes.sorted { $0.run.seed < $1.run.seed }.map {
                "\($0.run.line)\t\(String($0.hash, radix: 16))\n"
            }.joined()
        }

        /// How many seeds reached each mark.
        var markTable: String {
            zip(MarkSet.names, reached).map { name, count in
                let share = Double(count) * 100 / Double(max(hashes.count, 1))
                return
                    "\(name.padding(toLength: 28, withPad: " ", startingAt: 0)) \(count) (\(String(format: "%.2f", share)) %)"
            }.joined(separator: "\n")
        }

        /// The marks that less than one run in a thousand has reached. What only members that come and go can lead to is
        /// asked of the runs that have such, and all the rest of the others.
        var missingMarks: [String] {
            let isChurn = hashes.contains { $0.run.profile == .churn }
            return zip(MarkSet.names, reached).filter { name, count in
                MarkSet.namesOfChurn.contains(name) == isChurn && (count == 0 || count * 1000 < hashes.count)
            }.map(\.0)
        }

        func append(to path: String, commit: String, label: String) throws {
            let date = ISO8601DateFormatter().string(from: Date())
            let line = "\(date)\t\(commit)\t\(label)\t\(done) seeds\t\(events) events\t\(failed.count) failed\n"
            if !FileManager.default.fileExists(atPath: path) {
                _ = FileManager.default.createFile(atPath: path, contents: nil)
            }
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            defer { try? file.close() }
            try file.seekToEnd()
            try file.write(contentsOf: Data(line.utf8))
        }
    }
}
