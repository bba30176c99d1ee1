extension Actor {
    /// Stops a debug build whose caller is not on this actor's loop. Others do not look; see <doc:CallsBetweenActors>.
    @inline(__always)
    nonisolated func checkOnLoop() {
        #if DEBUG
            preconditionIsolated()
        #endif
    }

    /// The same as the next one, for what happens with every write: `body` captures nothing, what it needs comes as
    /// `argument`, and so nothing is allocated for it.
    @inline(__always)
    nonisolated func onLoop<Argument: Sendable>(
        _ argument: Argument, _ body: @escaping @Sendable (isolated Self, Argument) -> Void
    ) {
        #if DEBUG
            assumeIsolated { body($0, argument) }
        #else
            unsafeBitCast(body, to: (@Sendable (Self, Argument) -> Void).self)(self, argument)
        #endif
    }

    /// Runs `body` isolated to this actor, on whose loop the caller already is: a call between actors of one loop,
    /// without a hop.
    ///
    /// Debug builds check that it is so, as the standard library's `assumeIsolated` does. Others do not: the check asks
    /// the runtime for the main executor, too, and took a twelfth of a write's time. See <doc:CallsBetweenActors>.
    @inline(__always)
    nonisolated func onLoop<Result: Sendable>(_ body: (isolated Self) throws -> Result) rethrows -> Result {
        #if DEBUG
            return try assumeIsolated(body)
        #else
            // What assumeIsolated does once it has checked: isolation is no part of how a closure is called.
            return try withoutActuallyEscaping(body) { body in
                try unsafeBitCast(body, to: ((Self) throws -> Result).self)(self)
            }
        #endif
    }
}
