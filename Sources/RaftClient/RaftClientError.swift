/// Why a call of a client did not succeed, and what that means for the cluster's state.
public struct RaftClientError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private let name: String
        private init(_ name: String) { self.name = name }
        public var description: String { name }

        /// The cluster refused the call: too large a value, an invalid key. Nothing happened, and nothing will if it
        /// is made again unchanged.
        public static let refused = Code("refused")
        /// No leader was found, or no node reached, before the deadline. Nothing happened.
        public static let unavailable = Code("unavailable")
        /// The write was handed to the cluster, and its result did not come back. It may be applied, now or later;
        /// look before doing it again.
        public static let outcomeUnknown = Code("outcomeUnknown")
        /// The changes that were asked for are not kept any more.
        public static let compacted = Code("compacted")
        /// The session is gone, and the call certainly had no effect: it is made again in another one.
        static let sessionExpired = Code("sessionExpired")
        /// The certificate does not allow the call, or one side did not accept the other's. Nothing happened.
        public static let notAuthorized = Code("notAuthorized")
        /// The caller's task was cancelled before anything was sent, or during a read. Nothing happened.
        public static let cancelled = Code("cancelled")
    }

    /// What became of the call.
    public enum Outcome: Hashable, Sendable {
        case nothingHappened
        case unknown
    }

    /// What went wrong.
    public let code: Code
    /// What, with which values, and what to do about it.
    public let message: String
    public var outcome: Outcome { code == .outcomeUnknown ? .unknown : .nothingHappened }

    /// For tests, and for whoever wraps a client.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
