internal import Raft
internal import RaftClient

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Why a command ends other than well: what it says, and the code that it leaves with.
struct Failure: Error, Hashable {
    enum Code: Int32, CaseIterable {
        case refused = 1
        case usage = 2
        case absent = 3
        case unavailable = 4
        case unknown = 5
        case notAuthorized = 6
        /// Done, and the result could not be written.
        case unwritten = 7
    }

    let code: Code
    /// What, with which values, and what to do. Empty when the output has said it already.
    let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: RaftClientError) {
        switch error.code {
        case .refused, .compacted: self.init(.refused, error.message)
        case .outcomeUnknown: self.init(.unknown, error.message)
        case .notAuthorized: self.init(.notAuthorized, error.message)
        default: self.init(.unavailable, error.message)
        }
    }

    /// An error of a node that did not start, or of a certificate that could not be made: nothing happened.
    init(_ error: RaftError) { self.init(.refused, error.message) }

    /// The last system call's failure.
    static func system(_ action: String, _ path: String, _ code: Int32 = errno) -> Failure {
        Failure(.refused, "cannot \(action) \(path): \(reason(code))")
    }

    /// What the system calls an error, as it reads within a sentence: `no space left on device`.
    static func reason(_ code: Int32) -> String {
        let text = String(cString: strerror(code))
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    static let exitCodeHelp = """
        Exit codes: 0 done; 1 refused, nothing happened; 2 wrong usage; 3 the key is absent or the comparison failed; \
        4 no leader, or nobody reachable in time, nothing happened; 5 the outcome is unknown; 6 not authorised; \
        7 done, but the result could not be written.
        """
}
