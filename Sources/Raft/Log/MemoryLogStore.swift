/// A log in memory: for state machines that need not survive their process, for tests and for trying things out.
///
/// A cluster whose nodes all keep their logs in memory loses everything when a majority of them ends at once, and a
/// node that comes back empty under its old id breaks the promises it made: give it a new id.
public final class MemoryLogStore: LogStore {
    private struct Contents: Sendable {
        var hardState = HardState()
        var tail = LogTail(terms: TermRuns())
        var configurations: [(id: LogID, payload: [UInt8])] = []
    }
    private let contents = Lock(Contents())
    private let incarnation: Incarnation

    /// - Parameter incarnation: this life of the node; drawn at random unless given.
    public init(incarnation: Incarnation = Incarnation(rawValue: .random(in: 1 ... .max))) {
        self.incarnation = incarnation
    }

    public func open() throws -> RecoveredLog {
        contents.withLock { contents in
            let purged = contents.tail.purged
            // The first kept entry of a run, of which some may be purged.
            let starts = contents.tail.terms.starts.map {
                $0.index > purged.index ? $0 : LogID(term: $0.term, index: purged.index.next)
            }
            return RecoveredLog(
                hardState: contents.hardState, purged: purged, termStarts: starts,
                last: contents.tail.last, configurations: contents.configurations, incarnation: incarnation)
        }
    }

    public func write(_ operations: [LogOperation]) throws {
        contents.withLock { contents in
            for operation in operations {
                switch operation {
                case .hardState(let state): contents.hardState = state
                case .truncate(let id):
                    contents.tail.truncate(through: id.index)
                    contents.configurations.removeAll { $0.id.index > id.index }
                case .append(let batch):
                    contents.tail.append(batch)
                    contents.configurations += batch.configurations.map { ($0.id, Array($0.payload)) }
                case .purge(let id):
                    contents.tail.purge(through: id)
                    contents.configurations.removeAll { $0.id.index <= id.index }
                case .reset(let id):
                    contents.tail.reset(to: id)
                    contents.configurations = []
                }
            }
        }
    }

    public func read(from first: LogIndex, through last: LogIndex, maximumBytes: Int) throws -> EntryBatch {
        let batches = contents.withLock { $0.tail.entries(from: first, through: last, maximumBytes: maximumBytes) }
        guard let batch = batches?.first else {
            throw RaftError(
                .storage, "entry \(first) is not in the log, which ends at \(contents.withLock { $0.tail.last })")
        }
        return batch
    }

    public var shortage: RaftError? { nil }

    public func close() {}
}
