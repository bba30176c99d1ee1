internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftKeyValueModel
package import RaftTransport

// What Protos/client.proto says about watching and the history.

package struct WatchRequest: Hashable, Sendable {
    package var range: KeyRange
    /// Nil: behind all that was acknowledged before the node takes the call.
    package var position: ChangePosition?
    package init(_ range: KeyRange, after position: ChangePosition?) {
        self.range = range
        self.position = position
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__WatchRequest()
        raft__client__v1__watch_request__init(&message)
        message.has_up_to = range.upTo == nil ? 0 : 1
        message.has_position = position == nil ? 0 : 1
        message.after_revision = position?.revision ?? 0
        message.after_ordinal = position?.ordinal ?? 0
        return withFields(range.from, range.upTo ?? []) { from, upTo in
            message.from = from
            message.up_to = upTo
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, unpack: raft__client__v1__watch_request__unpack) { pointer in
            let message = pointer.pointee
            return WatchRequest(
                KeyRange(
                    from: Protobuf.bytes(message.from),
                    upTo: message.has_up_to == 0 ? nil : Protobuf.bytes(message.up_to)),
                after: message.has_position == 0
                    ? nil : ChangePosition(revision: message.after_revision, ordinal: message.after_ordinal))
        }
    }
}

package struct WatchProgress: Hashable, Sendable {
    /// How many bytes of messages were dealt with since the stream began.
    package var takenBytes: UInt64
    package init(takenBytes: UInt64) { self.takenBytes = takenBytes }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__WatchProgress()
        raft__client__v1__watch_progress__init(&message)
        message.taken_bytes = takenBytes
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__client__v1__watch_progress__unpack) {
            WatchProgress(takenBytes: $0.pointee.taken_bytes)
        }
    }
}

package struct WatchResponse: Hashable, Sendable {
    /// As ``KeyChange`` writes them.
    package var changes: [UInt8]
    /// Every change up to here was sent.
    package var position: ChangePosition
    package init(changes: [UInt8], position: ChangePosition) {
        self.changes = changes
        self.position = position
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__WatchResponse()
        raft__client__v1__watch_response__init(&message)
        message.revision = position.revision
        message.ordinal = position.ordinal
        return withFields(changes, []) { changes, _ in
            message.changes = changes
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__watch_response__unpack
        ) {
            WatchResponse(
                changes: Protobuf.bytes($0.pointee.changes),
                position: ChangePosition(revision: $0.pointee.revision, ordinal: $0.pointee.ordinal))
        }
    }
}

package struct CompactRequest: Hashable, Sendable {
    package var revision: UInt64
    /// Which command of a session it is; nil for one of none.
    package var session: SessionRequest?
    package init(revision: UInt64, session: SessionRequest? = nil) {
        self.revision = revision
        self.session = session
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__CompactRequest()
        raft__client__v1__compact_request__init(&message)
        message.revision = revision
        return withSession(session) { session in
            message.session = session
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__client__v1__compact_request__unpack) {
            CompactRequest(revision: $0.pointee.revision, session: SessionRequest($0.pointee.session))
        }
    }
}

package struct CompactResponse: Hashable, Sendable {
    /// Through this one the history is gone.
    package var revision: UInt64
    package init(revision: UInt64) { self.revision = revision }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__CompactResponse()
        raft__client__v1__compact_response__init(&message)
        message.revision = revision
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__client__v1__compact_response__unpack) {
            CompactResponse(revision: $0.pointee.revision)
        }
    }
}
