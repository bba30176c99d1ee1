internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftKeyValueModel
package import RaftTransport

// What Protos/client.proto says about transactions.

package struct TxnRequest: Hashable, Sendable {
    package var transaction: KeyValueTransaction
    /// Which command of a session it is; nil for one of none.
    package var session: SessionRequest?
    /// Whether a node that does not lead passes it on.
    package var forwards: Bool
    package init(_ transaction: KeyValueTransaction, session: SessionRequest? = nil, forwards: Bool = false) {
        self.transaction = transaction
        self.session = session
        self.forwards = forwards
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__TxnRequest()
        raft__client__v1__txn_request__init(&message)
        message.forward = forwards ? 1 : 0
        var packed: [UInt8] = []
        transaction.encode(into: &packed)
        return withSession(session) { session in
            message.session = session
            return withFields(packed, []) { packed, _ in
                message.transaction = packed
                return Protobuf.encode(message)
            }
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__txn_request__unpack
        ) { message throws(RPCStatus) in
            let packed = Protobuf.bytes(message.pointee.transaction)
            do throws(RaftError) {
                return TxnRequest(
                    try KeyValueTransaction(decoding: packed[...]), session: SessionRequest(message.pointee.session),
                    forwards: message.pointee.forward != 0)
            } catch {
                throw RPCStatus(.invalidArgument, error.message)
            }
        }
    }
}

extension TransactionResult {
    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__TxnResponse()
        raft__client__v1__txn_response__init(&message)
        var packed: [UInt8] = []
        encode(into: &packed)
        return withFields(packed, []) { packed, _ in
            message.result = packed
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__txn_response__unpack
        ) { message throws(RPCStatus) in
            let packed = Protobuf.bytes(message.pointee.result)
            do throws(RaftError) { return try TransactionResult(decoding: packed[...]) } catch {
                throw RPCStatus(.invalidArgument, error.message)
            }
        }
    }
}
