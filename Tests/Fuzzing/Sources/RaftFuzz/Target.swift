internal import Glibc

/// What one input is given to. A target must return for every input: a trap, a broken promise of its own, a leak or a
/// report of the sanitizers is a finding.
struct Target: Sendable {
    let name: String
    /// Real inputs to begin with.
    let seeds: @Sendable () throws -> [[UInt8]]
    let run: @Sendable ([UInt8]) -> Void

    static let all: [Target] =
        StorageTargets.all + WireTargets.all + ClientTargets.all + TextTargets.all + HandshakeTargets.all
        + CoreTargets.all
}

/// The promise of every message: what is read is written as bytes that are read as the same.
func again<Message>(
    _ what: String, _ bytes: [UInt8], _ decode: ([UInt8]) throws -> Message, _ encode: (Message) -> [UInt8]
) {
    guard let message = try? decode(bytes) else { return }
    let written = encode(message)
    guard let second = try? decode(written) else {
        return require(false, "a \(what) cannot be read again: \(message)")
    }
    require(encode(second) == written, "a \(what) changes when it is passed on: \(message), \(second)")
}

func write(_ bytes: [UInt8], to path: String) {
    guard let file = fopen(path, "w") else { fatalError("cannot write \(path): \(String(cString: strerror(errno)))") }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
}
