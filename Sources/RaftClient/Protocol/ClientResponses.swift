internal import CProtobufC
internal import CRaftProtos
package import RaftKeyValueModel
package import RaftTransport

// The responses of Protos/client.proto. The server encodes them, the client decodes them. On the wire revision 0 is
// none: the first entry of any log has index 1.

extension PutResult {
    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__PutResponse()
        raft__client__v1__put_response__init(&message)
        message.revision = revision
        message.previous_revision = previousRevision ?? 0
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, unpack: raft__client__v1__put_response__unpack) { message in
            PutResult(
                revision: message.pointee.revision, previousRevision: optional(message.pointee.previous_revision))
        }
    }
}

extension DeleteResult {
    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__DeleteResponse()
        raft__client__v1__delete_response__init(&message)
        message.revision = revision ?? 0
        message.previous_revision = previousRevision ?? 0
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, unpack: raft__client__v1__delete_response__unpack) { message in
            DeleteResult(
                revision: optional(message.pointee.revision),
                previousRevision: optional(message.pointee.previous_revision))
        }
    }
}

extension SwapResult {
    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__CompareAndSwapResponse()
        raft__client__v1__compare_and_swap_response__init(&message)
        message.swapped = isSwapped ? 1 : 0
        message.revision = revision ?? 0
        message.previous_revision = previousRevision ?? 0
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(bytes, unpack: raft__client__v1__compare_and_swap_response__unpack) { message in
            SwapResult(
                revision: message.pointee.swapped == 0 ? nil : message.pointee.revision,
                previousRevision: optional(message.pointee.previous_revision))
        }
    }
}

/// What a get found; nil when the key is absent. The key itself is not said again.
package struct GetResponse: Hashable, Sendable {
    package var found: KeyValue?
    package init(found: KeyValue?) { self.found = found }

    package func encoded() -> [UInt8] {
        var message = Raft__Client__V1__GetResponse()
        raft__client__v1__get_response__init(&message)
        message.found = found == nil ? 0 : 1
        message.revision = found?.revision ?? 0
        message.created_revision = found?.created ?? 0
        message.version = found?.version ?? 0
        message.lease = found?.lease ?? 0
        return withFields(found?.value ?? [], []) { value, _ in
            message.value = value
            return Protobuf.encode(message)
        }
    }

    package init(decoding bytes: [UInt8], key: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__get_response__unpack
        ) { message in
            guard message.pointee.found != 0 else { return GetResponse(found: nil) }
            return GetResponse(
                found: KeyValue(
                    key: key, value: Protobuf.bytes(message.pointee.value), revision: message.pointee.revision,
                    created: message.pointee.created_revision, version: message.pointee.version,
                    lease: optional(message.pointee.lease)))
        }
    }
}

extension KeyValuePage {
    package func encoded() -> [UInt8] {
        // Each entry is copied once, and costs its struct and a pointer beside that.
        let byteCount = entries.reduce(0) { $0 + $1.key.count + $1.value.count + 160 }
        let arena = ProtobufArena(budget: byteCount + 1024)
        var message = Raft__Client__V1__RangeResponse()
        raft__client__v1__range_response__init(&message)
        message.has_more = hasMore ? 1 : 0
        var fields: [Raft__Client__V1__RangeEntry] = []
        fields.reserveCapacity(entries.count)
        for entry in entries {
            var field = Raft__Client__V1__RangeEntry()
            raft__client__v1__range_entry__init(&field)
            field.key = arena.bytes(entry.key)
            field.value = arena.bytes(entry.value)
            field.revision = entry.revision
            field.created_revision = entry.created
            field.version = entry.version
            field.lease = entry.lease ?? 0
            fields.append(field)
        }
        message.n_entries = fields.count
        message.entries = arena.repeated(fields)
        return Protobuf.encode(message)
    }

    package init(decoding bytes: [UInt8]) throws(RPCStatus) {
        self = try Protobuf.decode(
            bytes, budget: ClientMethods.unpackBudget, unpack: raft__client__v1__range_response__unpack
        ) { message in
            let fields = UnsafeBufferPointer(start: message.pointee.entries, count: message.pointee.n_entries)
            return KeyValuePage(
                entries: fields.compactMap { field in
                    field.map {
                        KeyValue(
                            key: Protobuf.bytes($0.pointee.key), value: Protobuf.bytes($0.pointee.value),
                            revision: $0.pointee.revision, created: $0.pointee.created_revision,
                            version: $0.pointee.version, lease: optional($0.pointee.lease))
                    }
                },
                hasMore: message.pointee.has_more != 0)
        }
    }
}

private func optional(_ wire: UInt64) -> UInt64? { wire == 0 ? nil : wire }
