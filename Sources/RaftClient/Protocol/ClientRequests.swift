internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftTransport

// The requests of Protos/client.proto as values. The client encodes them, the server decodes them.

package struct PutRequest: Hashable, Sendable {
    package var key: [UInt8]
    package var value: [UInt8]
    /// Which command of a session it is; nil for one of none.
    package var session: SessionRequest?
    /// A node that does not lead passes it on.
    package var forwards: Bool
    package init(
        key: [UInt8], value: [UInt8], session: SessionRequest? = nil, forwards: Bool = false
    ) {
        self.forwards = forwards
        self.session = session
        self.key = key
        self.value = value
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__PutRequest()
        raft__client__v1__put_request__init(&message)
        return withSession(session) { session in
            message.session = session
            message.forward = forwards ? 1 : 0
            return withFields(key, value) { key, value in
                message.key = key
                message.value = value
                return Protobuf.encode(message)
            }
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__put_request__unpack
        ) { message in
            PutRequest(
                key: Protobuf.bytes(message.pointee.key), value: Protobuf.bytes(message.pointee.value),
                session: SessionRequest(message.pointee.session),
                forwards: message.pointee.forward != 0)
        }
    }
}

package struct DeleteRequest: Hashable, Sendable {
    package var key: [UInt8]
    /// Which command of a session it is; nil for one of none.
    package var session: SessionRequest?
    /// A node that does not lead passes it on.
    package var forwards: Bool
    package init(
        key: [UInt8], session: SessionRequest? = nil, forwards: Bool = false
    ) {
        self.forwards = forwards
        self.key = key
        self.session = session
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__DeleteRequest()
        raft__client__v1__delete_request__init(&message)
        return withSession(session) { session in
            message.session = session
            message.forward = forwards ? 1 : 0
            return withFields(key, []) { key, _ in
                message.key = key
                return Protobuf.encode(message)
            }
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__delete_request__unpack
        ) { message in
            DeleteRequest(
                key: Protobuf.bytes(message.pointee.key), session: SessionRequest(message.pointee.session),
                forwards: message.pointee.forward != 0)
        }
    }
}

package struct CompareAndSwapRequest: Hashable, Sendable {
    package var key: [UInt8]
    package var expectation: KeyExpectation
    package var value: [UInt8]
    /// Which command of a session it is; nil for one of none.
    package var session: SessionRequest?
    /// A node that does not lead passes it on.
    package var forwards: Bool
    package init(
        key: [UInt8], expectation: KeyExpectation, value: [UInt8], session: SessionRequest? = nil,
        forwards: Bool = false
    ) {
        self.forwards = forwards
        self.session = session
        self.key = key
        self.expectation = expectation
        self.value = value
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__CompareAndSwapRequest()
        raft__client__v1__compare_and_swap_request__init(&message)
        return withSession(session) { session in
            message.session = session
            message.forward = forwards ? 1 : 0
            return withFields(key, value) { key, value in
                message.key = key
                message.value = value
                switch expectation {
                case .value(let expected):
                    message.expectation_case = RAFT__CLIENT__V1__COMPARE_AND_SWAP_REQUEST__EXPECTATION_EXPECTED_VALUE
                    return withFields(expected, []) { expected, _ in
                        message.expected_value = expected
                        return Protobuf.encode(message)
                    }
                case .revision(let revision):
                    message.expectation_case = RAFT__CLIENT__V1__COMPARE_AND_SWAP_REQUEST__EXPECTATION_EXPECTED_REVISION
                    message.expected_revision = revision
                case .absent:
                    message.expectation_case = RAFT__CLIENT__V1__COMPARE_AND_SWAP_REQUEST__EXPECTATION_EXPECTED_ABSENT
                    message.expected_absent = 1
                }
                return Protobuf.encode(message)
            }
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__compare_and_swap_request__unpack
        ) { message throws(RPCStatus) in
            let expectation: KeyExpectation
            switch message.pointee.expectation_case {
            case RAFT__CLIENT__V1__COMPARE_AND_SWAP_REQUEST__EXPECTATION_EXPECTED_VALUE:
                expectation = .value(Protobuf.bytes(message.pointee.expected_value))
            case RAFT__CLIENT__V1__COMPARE_AND_SWAP_REQUEST__EXPECTATION_EXPECTED_REVISION:
                expectation = .revision(message.pointee.expected_revision)
            case RAFT__CLIENT__V1__COMPARE_AND_SWAP_REQUEST__EXPECTATION_EXPECTED_ABSENT
            where message.pointee.expected_absent != 0:
                expectation = .absent
            default:
                throw RPCStatus(
                    .invalidArgument, "compare-and-swap without an expectation; send a value, a revision or absence")
            }
            return CompareAndSwapRequest(
                key: Protobuf.bytes(message.pointee.key), expectation: expectation,
                value: Protobuf.bytes(message.pointee.value), session: SessionRequest(message.pointee.session),
                forwards: message.pointee.forward != 0)
        }
    }
}

package struct GetRequest: Hashable, Sendable {
    package var key: [UInt8]
    package var consistency: Consistency
    package init(key: [UInt8], consistency: Consistency) {
        self.key = key
        self.consistency = consistency
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__GetRequest()
        raft__client__v1__get_request__init(&message)
        message.consistency = consistency.wire
        message.bound = consistency.bound
        return withFields(key, []) { key, _ in
            message.key = key
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__get_request__unpack
        ) { message throws(RPCStatus) in
            GetRequest(
                key: Protobuf.bytes(message.pointee.key),
                consistency: try Consistency(message.pointee.consistency, bound: message.pointee.bound))
        }
    }
}

package struct RangeRequest: Hashable, Sendable {
    package var from: [UInt8]
    package var upTo: [UInt8]?
    /// 0: as many as the server likes to send at once.
    package var limit: UInt32
    package var consistency: Consistency
    package init(from: [UInt8], upTo: [UInt8]?, limit: UInt32, consistency: Consistency) {
        self.from = from
        self.upTo = upTo
        self.limit = limit
        self.consistency = consistency
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__RangeRequest()
        raft__client__v1__range_request__init(&message)
        message.consistency = consistency.wire
        message.bound = consistency.bound
        message.limit = limit
        message.has_up_to = upTo == nil ? 0 : 1
        return withFields(from, upTo ?? []) { from, upTo in
            message.from = from
            message.up_to = upTo
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__range_request__unpack
        ) { message throws(RPCStatus) in
            RangeRequest(
                from: Protobuf.bytes(message.pointee.from),
                upTo: message.pointee.has_up_to == 0 ? nil : Protobuf.bytes(message.pointee.up_to),
                limit: message.pointee.limit,
                consistency: try Consistency(message.pointee.consistency, bound: message.pointee.bound))
        }
    }
}

extension Consistency {
    fileprivate var wire: Raft__Client__V1__Consistency {
        switch self {
        case .linearizable: RAFT__CLIENT__V1__CONSISTENCY__LINEARIZABLE
        case .lease: RAFT__CLIENT__V1__CONSISTENCY__LEASE
        case .noOlderThan: RAFT__CLIENT__V1__CONSISTENCY__NO_OLDER_THAN
        case .atLeast: RAFT__CLIENT__V1__CONSISTENCY__AT_LEAST
        case .local: RAFT__CLIENT__V1__CONSISTENCY__LOCAL
        }
    }

    fileprivate var bound: UInt64 {
        switch self {
        case .linearizable, .lease, .local: 0
        case .noOlderThan(let age): wireNanoseconds(age)
        case .atLeast(let revision): revision
        }
    }

    /// - Throws: for a consistency that this version does not know; a weaker one must not stand in for it.
    fileprivate init(_ wire: Raft__Client__V1__Consistency, bound: UInt64) throws(RPCStatus) {
        switch wire {
        case RAFT__CLIENT__V1__CONSISTENCY__LINEARIZABLE: self = .linearizable
        case RAFT__CLIENT__V1__CONSISTENCY__LEASE: self = .lease
        case RAFT__CLIENT__V1__CONSISTENCY__NO_OLDER_THAN: self = .noOlderThan(duration(wireNanoseconds: bound))
        case RAFT__CLIENT__V1__CONSISTENCY__AT_LEAST: self = .atLeast(revision: bound)
        case RAFT__CLIENT__V1__CONSISTENCY__LOCAL: self = .local
        default:
            throw RPCStatus(.invalidArgument, "consistency \(wire.rawValue) is not known here; update the server")
        }
    }
}

/// Two bytes fields without a copy, valid in `body`. protobuf-c only reads through them while packing.
func withFields<Result>(
    _ first: [UInt8], _ second: [UInt8], _ body: (ProtobufCBinaryData, ProtobufCBinaryData) -> Result
) -> Result {
    func field(_ bytes: UnsafeBufferPointer<UInt8>) -> ProtobufCBinaryData {
        ProtobufCBinaryData(len: bytes.count, data: UnsafeMutablePointer(mutating: bytes.baseAddress))
    }
    return first.withUnsafeBufferPointer { first in
        second.withUnsafeBufferPointer { second in body(field(first), field(second)) }
    }
}
