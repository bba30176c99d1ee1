// The module of Swift Testing is not there for a static standard library, with which no test is built.
#if canImport(Testing)
    public import Testing

    /// Computes for long and waits for nothing: simulations, crash states, searches.
    ///
    /// Every test of a run is begun at once, on a pool of one thread for each processor. What waits for an answer in
    /// real time would wait there behind seconds of computing, as no program of ours ever does: an idle limit passed,
    /// or a leader lost its followers, on two processors. These tests have threads of their own, and go last.
    public struct Heavy: SuiteTrait, TestTrait, TestScoping {
        public var isRecursive: Bool { true }

        public func provideScope(
            for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
        ) async throws {
            try await withTaskExecutorPreference(HeavyThreads.shared) { try await function() }
        }
    }

    /// Starts several processes that must hear from each other in time: two such tests run at once, and no more.
    /// Waiting for a place counts towards a test's time limit, so that must leave room for all the others.
    public struct Processes: SuiteTrait, TestTrait, TestScoping {
        private static let gate = Gate(places: 2)

        public var isRecursive: Bool { true }

        public func provideScope(
            for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
        ) async throws {
            await Self.gate.enter()
            defer { Self.gate.leave() }
            try await function()
        }
    }

    extension Trait where Self == Heavy {
        public static var heavy: Self { Self() }
    }

    extension Trait where Self == Processes {
        public static var processes: Self { Self() }
    }
#endif
