/// How a call ended other than well. Codes and their meanings are gRPC's.
public struct RPCStatus: Error, Hashable, Sendable, CustomStringConvertible {
    /// A gRPC status code. Unknown numbers of a newer peer are kept.
    public struct Code: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The call was done.
        public static let ok = Code(rawValue: 0)
        /// The caller gave it up.
        public static let cancelled = Code(rawValue: 1)
        /// An error of which nothing more is known.
        public static let unknown = Code(rawValue: 2)
        /// The request cannot be right, whatever state the server is in.
        public static let invalidArgument = Code(rawValue: 3)
        /// It was not done in time; it may be yet.
        public static let deadlineExceeded = Code(rawValue: 4)
        /// What was asked for is not there.
        public static let notFound = Code(rawValue: 5)
        /// What was to be made is there already.
        public static let alreadyExists = Code(rawValue: 6)
        /// The caller's certificate does not allow it.
        public static let permissionDenied = Code(rawValue: 7)
        /// A limit was reached: try again later.
        public static let resourceExhausted = Code(rawValue: 8)
        /// The server's state does not allow it now.
        public static let failedPrecondition = Code(rawValue: 9)
        /// It was given up in favour of another call.
        public static let aborted = Code(rawValue: 10)
        /// A number in the request is outside of what there is.
        public static let outOfRange = Code(rawValue: 11)
        /// There is no such method.
        public static let unimplemented = Code(rawValue: 12)
        /// A promise of the server itself is broken.
        public static let `internal` = Code(rawValue: 13)
        /// There is nobody who could serve it now.
        public static let unavailable = Code(rawValue: 14)
        /// What was stored is damaged.
        public static let dataLoss = Code(rawValue: 15)
        /// One side does not accept the other's certificate.
        public static let unauthenticated = Code(rawValue: 16)

        private static let names = [
            "ok", "cancelled", "unknown", "invalidArgument", "deadlineExceeded", "notFound", "alreadyExists",
            "permissionDenied", "resourceExhausted", "failedPrecondition", "aborted", "outOfRange", "unimplemented",
            "internal", "unavailable", "dataLoss", "unauthenticated",
        ]
        public var description: String {
            Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "code \(rawValue)"
        }
    }

    /// What kind of end.
    public var code: Code
    /// What happened, with which values, and what to do. At most 1024 bytes travel.
    public var message: String
    /// Machine-readable detail; the method says of what kind. At most 4096 bytes travel.
    public var details: [UInt8]
    /// Whether the request may have reached the server. False only when it certainly did not: nothing happened there,
    /// and the call can be made again elsewhere.
    public var wasSent: Bool

    static let maximumMessageBytes = 1024
    static let maximumDetailBytes = 4096

    /// - Parameters:
    ///   - details: an encoded `ErrorDetail`, or nothing.
    ///   - wasSent: false when the call certainly never left this side.
    public init(_ code: Code, _ message: String, details: [UInt8] = [], wasSent: Bool = true) {
        self.code = code
        self.message = message
        self.details = details
        self.wasSent = wasSent
    }

    public var description: String { "\(code): \(message)" }
}
