internal import Benchmarking
internal import Raft
internal import RaftKeyValue

/// Applies runs to the machine and to its floor in turns.
final class ApplyRun {
    private let command: ApplyCommand
    private let machine: KeyValueMachine
    private let bare: BareMap
    private let value: [UInt8]
    private var next: LogIndex = 1
    private var drawn: FixedKeys
    private var outputs: [KeyValueOutput] = []

    init(_ directory: String, _ command: ApplyCommand) throws {
        self.command = command
        value = [UInt8](repeating: 7, count: command.valueSize)
        drawn = FixedKeys(count: command.keys, seed: 1)
        // All keys, and the history of all commands of a pass; what is freed may not fit what comes next.
        let mapBytes = (64 << 20) + 4 * (command.keys + 2 * command.commands) * (command.valueSize + 128)
        machine = try KeyValueMachine(directory: directory + "/machine", initialMapBytes: mapBytes)
        bare = try BareMap(directory + "/bare", mapBytes: mapBytes)
        let keys = (0..<command.keys).map { FixedKeys.key($0) }
        for batch in batches(keys, run: 1024) { try apply(batch) }
        try bare.put(Array(keys.joined())[...], keyBytes: FixedKeys.keyBytes, value: value, batch: 1024)
        try forget()
    }

    func close() { try? machine.close() }

    func series(run: Int) throws -> ApplyReport.Series {
        let count = (command.commands + run - 1) / run * run
        let clock = ContinuousClock()
        var (rates, bareRates, spent): ([Double], [Double], [Double]) = ([], [], [])
        // The first pass warms up.
        for pass in 0...command.pass.passes {
            let keys = (0..<count).map { _ in drawn.draw() }
            let batches = batches(keys, run: run)
            let before = Program.processorTime()
            let start = clock.now
            for batch in batches { try apply(batch) }
            let middle = clock.now
            let after = Program.processorTime()
            let flat = Array(keys.joined())
            let bareTime = try clock.measure {
                try bare.put(flat[...], keyBytes: FixedKeys.keyBytes, value: value, batch: run)
            }
            try forget()
            guard pass > 0 else { continue }
            rates.append(Double(count) / (middle - start).inSeconds)
            spent.append((after - before) * 1e6 / Double(count))
            bareRates.append(Double(count) / bareTime.inSeconds)
        }
        return ApplyReport.Series(
            run: run, commands: count, commandsPerSecond: median(rates), barePerSecond: median(bareRates),
            cpuMicrosecondsPerCommand: median(spent))
    }

    private func batches(_ keys: [[UInt8]], run: Int) -> [CommandBatch<KeyValueCommand>] {
        stride(from: 0, to: keys.count, by: run).map { start in
            var builder = EntryBatch.Builder(first: next, term: 1)
            for key in keys[start..<min(start + run, keys.count)] {
                var bytes: [UInt8] = []
                KeyValueCommand.put(key: key, value: value).encode(into: &bytes)
                builder.append(.command, bytes)
            }
            let batch = builder.finish()!
            next = batch.lastIndex.next
            return CommandBatch([batch])
        }
    }

    private func apply(_ batch: CommandBatch<KeyValueCommand>) throws {
        outputs.removeAll(keepingCapacity: true)
        try machine.apply(batch, into: &outputs)
        guard case .done(let revision, _)? = outputs.last, revision == batch.through.index.rawValue else {
            throw BenchmarkError("a put gave \(outputs.last.map { "\($0)" } ?? "nothing")")
        }
    }

    private func forget() throws {
        let through = next.rawValue - 1
        let output = try machine.apply(.compact(through: through), at: LogID(term: 1, index: next))
        guard case .compacted = output else { throw BenchmarkError("the history was not forgotten: \(output)") }
        next = next.next
    }
}
