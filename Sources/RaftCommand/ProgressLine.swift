internal import Raft

/// Says on standard error how far long work has come: at most once a second, and not at all when it is quick.
final class ProgressLine: Sendable {
    private let state: Lock<(next: ContinuousClock.Instant, text: String, hasShown: Bool)>

    init() { state = Lock((.now + .seconds(1), "", false)) }

    func show(_ text: @autoclosure () -> String) {
        state.withLock { state in
            guard ContinuousClock.now >= state.next else { return }
            state = (.now + .seconds(1), text(), true)
            Console.error(state.text)
        }
    }

    /// The last word, if there was a first one.
    func end(_ text: @autoclosure () -> String = "") {
        let hasShown = state.withLock { $0.hasShown }
        if hasShown { Console.error(text()) }
    }
}
