internal import ArgumentParser
internal import RaftKeyValueModel

/// One key, or the keys that begin with it, or those from it on or up to another.
struct RangeOptions: ParsableArguments {
    @Argument(help: "The key.") var key: String
    @Flag(help: "Every key that begins with it; \"\" is every key.") var prefix = false
    @Option(help: ArgumentHelp("From the key up to this one, which does not belong to them.", valueName: "key"))
    var to: String?
    @Flag(help: "The key and every one behind it.") var onward = false

    func validate() throws {
        guard [prefix, to != nil, onward].count(where: { $0 }) <= 1 else {
            throw ValidationError("--prefix, --to and --onward exclude each other; give one of them")
        }
    }

    var isOneKey: Bool { !prefix && !onward && to == nil }

    var range: KeyRange {
        let bytes = ByteText.bytes(ofArgument: key)
        if prefix { return KeyRange(prefix: bytes) }
        if onward { return KeyRange(from: bytes) }
        return to.map { KeyRange(from: bytes, upTo: ByteText.bytes(ofArgument: $0)) } ?? KeyRange(key: bytes)
    }
}
