/// Does one piece of work after the other, at most `jobs` at a time.
///
/// - Parameters:
///   - next: the next piece, asked for whenever one may begin; nil when there is none now.
///   - done: told of each in the order in which they end, never two at a time, nor while `next` is asked.
func concurrently<Item: Sendable, Outcome: Sendable>(
    _ jobs: Int, next: () -> Item?, _ work: @escaping @Sendable (Item) -> Outcome, done: (Outcome) -> Void
) async {
    await withTaskGroup(of: Outcome.self) { group in
        func startNext() {
            guard let item = next() else { return }
            group.addTask { work(item) }
        }
        for _ in 0..<jobs { startNext() }
        for await outcome in group {
            done(outcome)
            startNext()
        }
    }
}
