internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftTransport

// What Protos/client.proto and Protos/admin.proto say about sessions.

extension SessionRequest {
    /// Nil where the message names none.
    init?(_ message: UnsafePointer<Raft__Client__V1__SessionRequest>?) {
        guard let message else { return nil }
        self.init(
            session: SessionID(message.pointee.session), sequence: message.pointee.sequence,
            lowestUnanswered: message.pointee.lowest_unanswered)
    }
}

/// The request as a field of another message, valid in `body`.
func withSession<Result>(
    _ request: SessionRequest?, _ body: (UnsafeMutablePointer<Raft__Client__V1__SessionRequest>?) -> Result
) -> Result {
    guard let request else { return body(nil) }
    var message = Raft__Client__V1__SessionRequest()
    raft__client__v1__session_request__init(&message)
    message.session = request.session.rawValue
    message.sequence = request.sequence
    message.lowest_unanswered = request.lowestUnanswered
    return withUnsafeMutablePointer(to: &message) { body($0) }
}

package struct RegisterSessionRequest: Hashable, Sendable {
    /// A node that does not lead passes it on.
    package var forwards: Bool
    package init(forwards: Bool = false) { self.forwards = forwards }
    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__RegisterSessionRequest()
        raft__client__v1__register_session_request__init(&message)
        message.forward = forwards ? 1 : 0
        return Protobuf.encode(message)
    }
    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__client__v1__register_session_request__unpack
        ) { RegisterSessionRequest(forwards: $0.pointee.forward != 0) }
    }
}

package struct RegisterSessionResponse: Hashable, Sendable {
    package var session: SessionID
    package init(session: SessionID) { self.session = session }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__RegisterSessionResponse()
        raft__client__v1__register_session_response__init(&message)
        message.session = session.rawValue
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__client__v1__register_session_response__unpack
        ) { RegisterSessionResponse(session: SessionID($0.pointee.session)) }
    }
}

package struct KeepSessionRequest: Hashable, Sendable {
    package var session: SessionID
    package var lowestUnanswered: UInt64
    /// A node that does not lead passes it on.
    package var forwards: Bool
    package init(session: SessionID, lowestUnanswered: UInt64, forwards: Bool = false) {
        self.forwards = forwards
        self.session = session
        self.lowestUnanswered = lowestUnanswered
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__KeepSessionRequest()
        raft__client__v1__keep_session_request__init(&message)
        message.session = session.rawValue
        message.forward = forwards ? 1 : 0
        message.lowest_unanswered = lowestUnanswered
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__client__v1__keep_session_request__unpack
        ) {
            KeepSessionRequest(
                session: SessionID($0.pointee.session), lowestUnanswered: $0.pointee.lowest_unanswered,
                forwards: $0.pointee.forward != 0)
        }
    }
}

package struct CloseSessionRequest: Hashable, Sendable {
    package var session: SessionID
    /// A node that does not lead passes it on.
    package var forwards: Bool
    package init(session: SessionID, forwards: Bool = false) {
        self.session = session
        self.forwards = forwards
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__CloseSessionRequest()
        raft__client__v1__close_session_request__init(&message)
        message.session = session.rawValue
        message.forward = forwards ? 1 : 0
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__client__v1__close_session_request__unpack
        ) { CloseSessionRequest(session: SessionID($0.pointee.session), forwards: $0.pointee.forward != 0) }
    }
}

package struct SessionResponse: Hashable, Sendable {
    package init() {}
    package func encoded() -> [UInt8] { [] }
    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__client__v1__session_response__unpack) { _ in
            SessionResponse()
        }
    }
}

package struct ListSessionsRequest: Hashable, Sendable {
    package init() {}
    package func encoded() -> [UInt8] { [] }
    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__admin__v1__list_sessions_request__unpack) { _ in
            ListSessionsRequest()
        }
    }
}

extension SessionList {
    package func encoded() -> [UInt8] {
        let arena = ProtobufArena(budget: sessions.count * 160 + 1024)
        var message = Raft__Admin__V1__ListSessionsResponse()
        raft__admin__v1__list_sessions_response__init(&message)
        message.applied_index = applied.rawValue
        message.repeated_count = UInt64(repeatedCount)
        message.refused_count = UInt64(refusedCount)
        message.expired_count = UInt64(expiredCount)
        message.n_sessions = sessions.count
        message.sessions = arena.repeated(
            sessions.map { session in
                var field = Raft__Admin__V1__Session()
                raft__admin__v1__session__init(&field)
                field.id = session.id.rawValue
                field.last_active = session.lastActive.rawValue
                field.lowest_unanswered = session.lowestUnanswered
                field.reply_count = UInt64(session.replyCount)
                field.reply_bytes = UInt64(session.replyBytes)
                return field
            })
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, unpack: raft__admin__v1__list_sessions_response__unpack) { pointer in
            let message = pointer.pointee
            return SessionList(
                sessions: UnsafeBufferPointer(start: message.sessions, count: message.n_sessions).compactMap { field in
                    field.map {
                        SessionSummary(
                            id: SessionID($0.pointee.id), lastActive: LogIndex($0.pointee.last_active),
                            lowestUnanswered: $0.pointee.lowest_unanswered,
                            replyCount: Int(clamping: $0.pointee.reply_count),
                            replyBytes: Int(clamping: $0.pointee.reply_bytes))
                    }
                },
                applied: LogIndex(message.applied_index), repeatedCount: Int(clamping: message.repeated_count),
                refusedCount: Int(clamping: message.refused_count), expiredCount: Int(clamping: message.expired_count))
        }
    }
}
