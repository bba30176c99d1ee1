internal import CProtobufC
internal import CRaftProtos
package import Raft
package import RaftTransport

/// `raft.admin.v1.TriggerSnapshotRequest`.
package struct TriggerSnapshotRequest: Hashable, Sendable {
    package init() {}
    package func encoded() -> [UInt8] { [] }
    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: 4096, unpack: raft__admin__v1__trigger_snapshot_request__unpack
        ) { _ in TriggerSnapshotRequest() }
    }
}

/// `raft.admin.v1.PushSnapshotRequest`.
package struct PushSnapshotRequest: Hashable, Sendable {
    /// Nil for every other member.
    package var peer: NodeID?
    package init(peer: NodeID?) { self.peer = peer }

    package func encoded() -> [UInt8] {
        var message = Raft__Admin__V1__PushSnapshotRequest()
        raft__admin__v1__push_snapshot_request__init(&message)
        message.peer = peer?.rawValue ?? 0
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__admin__v1__push_snapshot_request__unpack) {
            PushSnapshotRequest(peer: $0.pointee.peer == 0 ? nil : NodeID($0.pointee.peer))
        }
    }
}

extension SnapshotSummary {
    /// `raft.admin.v1.SnapshotResponse`.
    package func encoded() -> [UInt8] {
        var message = Raft__Admin__V1__SnapshotResponse()
        raft__admin__v1__snapshot_response__init(&message)
        message.builder = id.builder.rawValue
        message.number = id.number
        message.last_term = last.term.rawValue
        message.last_index = last.index.rawValue
        message.byte_count = byteCount
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__admin__v1__snapshot_response__unpack) {
            let message = $0.pointee
            return SnapshotSummary(
                id: SnapshotID(builder: Incarnation(rawValue: message.builder), number: message.number),
                last: LogID(term: Term(message.last_term), index: LogIndex(message.last_index)),
                byteCount: message.byte_count)
        }
    }
}

/// `raft.admin.v1.ReadSnapshotRequest`.
package struct ReadSnapshotRequest: Hashable, Sendable {
    package var id: SnapshotID
    package var offset: UInt64
    package init(id: SnapshotID, offset: UInt64) {
        self.id = id
        self.offset = offset
    }

    package func encoded() -> [UInt8] {
        var message = Raft__Admin__V1__ReadSnapshotRequest()
        raft__admin__v1__read_snapshot_request__init(&message)
        message.builder = id.builder.rawValue
        message.number = id.number
        message.offset = offset
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, budget: 4096, unpack: raft__admin__v1__read_snapshot_request__unpack) {
            let message = $0.pointee
            return ReadSnapshotRequest(
                id: SnapshotID(builder: Incarnation(rawValue: message.builder), number: message.number),
                offset: message.offset)
        }
    }
}

extension SnapshotPiece {
    /// `raft.admin.v1.ReadSnapshotResponse`; the offset is the request's.
    package func encoded() -> [UInt8] {
        var message = Raft__Admin__V1__ReadSnapshotResponse()
        raft__admin__v1__read_snapshot_response__init(&message)
        return withFields(manifest.encoded, bytes) { manifest, content in
            message.manifest = manifest
            message.content = content
            return Protobuf.encode(message)
        }
    }

    package init(decoding response: [UInt8], at offset: UInt64) throws(RPCStatus) {
        let (encoded, content) = try Protobuf.decode(
            response, budget: ClientMethods.unpackBudget, unpack: raft__admin__v1__read_snapshot_response__unpack
        ) { (Protobuf.bytes($0.pointee.manifest), Protobuf.bytes($0.pointee.content)) }
        do throws(RaftError) {
            self.init(manifest: try SnapshotManifest(decoding: encoded), offset: offset, bytes: content)
        } catch {
            throw RPCStatus(.internal, error.message)
        }
    }
}
