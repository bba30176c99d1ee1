internal import Foundation
internal import RaftKeyValueModel

/// Keys as lines of text: each a JSON object with `key` and `value` in base64, as etcd writes them.
///
///     {"key":"YQ==","value":"MQ=="}
///
/// Further fields (revisions, versions, leases) are written by etcd, and are not read: they mean nothing in another
/// cluster.
enum KeyLines {
    private struct Line: Decodable {
        let key: Data
        /// Left out by etcd when it is empty.
        let value: Data?
    }

    static func text(_ entry: KeyValue) -> String {
        JSON.object([
            .init("key", .string(JSON.base64(entry.key))), .init("value", .string(JSON.base64(entry.value))),
        ]).text + "\n"
    }

    /// Nil for an empty line.
    static func parse(_ line: some Collection<UInt8>, number: Int) throws(Failure) -> (key: [UInt8], value: [UInt8])? {
        if line.allSatisfy({ $0 == 32 || $0 == 9 || $0 == 13 }) { return nil }
        let parsed: Line
        do { parsed = try JSONDecoder().decode(Line.self, from: Data(line)) } catch {
            throw Failure(
                .refused,
                "line \(number) is not {\"key\":\"BASE64\",\"value\":\"BASE64\"}; the lines before it are imported")
        }
        return (Array(parsed.key), Array(parsed.value ?? Data()))
    }
}

/// Puts gathered into transactions that a server takes.
struct PutBatches {
    /// As a server allows unless told otherwise.
    static let maximumCount = 128
    static let maximumBytes = 1 << 20

    private(set) var batch: [KeyValueTransaction.Operation] = []
    private var keys: Set<[UInt8]> = []
    private var byteCount = 0

    /// - Returns: the batch to be done first, when this one is full or has the key already.
    mutating func add(_ key: [UInt8], _ value: [UInt8]) -> [KeyValueTransaction.Operation]? {
        let isFull = batch.count == Self.maximumCount || (!batch.isEmpty && byteCount + value.count > Self.maximumBytes)
        let done = isFull || keys.contains(key) ? take() : nil
        batch.append(.put(key: key, value: value))
        keys.insert(key)
        byteCount += key.count + value.count
        return done
    }

    mutating func take() -> [KeyValueTransaction.Operation] {
        defer { self = PutBatches() }
        return batch
    }
}
