/// How a call ended other than well. Codes and their meanings are gRPC's.
public struct RPCStatus: Error, Hashable, Sendable, CustomStringConvertible {
    /// A gRPC status code. Unknown numbers of a newer peer are kept.
    public struct Code: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let ok = Code(rawValue: 0)
        public static let cancelled = Code(rawValue: 1)
        public static let unknown = Code(rawValue: 2)
        public static let invalidArgument = Code(rawValue: 3)
        public static let deadlineExceeded = Code(rawValue: 4)
        public static let notFound = Code(rawValue: 5)
        public static let alreadyExists = Code(rawValue: 6)
        public static let permissionDenied = Code(rawValue: 7)
        public static let resourceExhausted = Code(rawValue: 8)
        public static let failedPrecondition = Code(rawValue: 9)
        public static let aborted = Code(rawValue: 10)
        public static let outOfRange = Code(rawValue: 11)
        public static let unimplemented = Code(rawValue: 12)
        public static let `internal` = Code(rawValue: 13)
        public static let unavailable = Code(rawValue: 14)
        public static let dataLoss = Code(rawValue: 15)
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

    public init(_ code: Code, _ message: String, details: [UInt8] = [], wasSent: Bool = true) {
        self.code = code
        self.message = message
        self.details = details
        self.wasSent = wasSent
    }

    public var description: String { "\(code): \(message)" }
}
