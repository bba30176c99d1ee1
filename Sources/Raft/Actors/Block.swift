/// A closure that a loop runs once: for what happens seldom. What happens often is a class of its own.
final class Block: Activated {
    private let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    func activate() { body() }
}
