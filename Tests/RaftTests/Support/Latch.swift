@testable import Raft

/// Opens once it was counted down; a test's task waits for it.
final class Latch: Sendable {
    private let state: Lock<(count: Int, waiting: [UnsafeContinuation<Void, Never>])>
    init(_ count: Int) { state = Lock((count, [])) }

    func countDown() {
        let ready = state.withLock { state -> [UnsafeContinuation<Void, Never>] in
            state.count -= 1
            guard state.count == 0 else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in ready { continuation.resume() }
    }

    func wait() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isOpen = state.withLock { state in
                if state.count > 0 { state.waiting.append(continuation) }
                return state.count <= 0
            }
            if isOpen { continuation.resume() }
        }
    }
}
