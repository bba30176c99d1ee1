/// A closure that a loop runs once: for what happens seldom. What happens often is a class of its own.
package final class Block: Activated {
    private let body: @Sendable () -> Void
    package init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    package func activate() { body() }
}
