/// Reads old entries beside the writer, on a loop of its own: for peers far behind, and for the state machine after a
/// restart.
final class LogReader: Sendable {
    private let store: any LogStore
    private let loop: any Loop

    init(store: any LogStore, loop: any Loop) {
        self.store = store
        self.loop = loop
    }

    /// Reads from `first` through at most `last`, and calls `completion` on the reader's loop.
    func read(
        from first: LogIndex, through last: LogIndex, maximumBytes: Int,
        completion: @escaping @Sendable (Result<EntryBatch, RaftError>) -> Void
    ) {
        loop.post(
            Block { [store] in
                do {
                    let batch = try store.read(from: first, through: last, maximumBytes: maximumBytes)
                    completion(.success(batch))
                } catch let error as RaftError {
                    completion(.failure(error))
                } catch {
                    completion(.failure(RaftError(.storage, "entries from \(first) on could not be read: \(error)")))
                }
            })
    }
}
