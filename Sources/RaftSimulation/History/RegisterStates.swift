/// The states that one key can be in, as small numbers: equal numbers are equal bytes.
struct RegisterStates {
    typealias State = Int32
    static let absent: State = 0
    /// Some text, no matter which: one that nobody is going to find, nor anything that begins with it.
    static let any: State = -1

    /// By state − 1.
    private var texts: [[UInt8]] = []
    private var known: [[UInt8]: State] = [:]
    private struct Pair: Hashable {
        var state: State
        var text: State
    }
    private var appended: [Pair: State] = [:]

    /// Bytes and not `String`: to `String`, two spellings of one accented letter are equal; to the store they are not.
    mutating func state(_ text: String?) -> State { text.map { state(bytes: Array($0.utf8)) } ?? Self.absent }

    private mutating func state(bytes: [UInt8]) -> State {
        if let state = known[bytes] { return state }
        texts.append(bytes)
        known[bytes] = State(texts.count)
        return State(texts.count)
    }

    /// The state after `text` was put behind what `state` holds.
    mutating func append(_ text: State, to state: State) -> State {
        if state == Self.any { return state }
        let pair = Pair(state: state, text: text)
        if let result = appended[pair] { return result }
        let result = self.state(bytes: bytes(state) + bytes(text))
        appended[pair] = result
        return result
    }

    /// Whether appending could yet turn `state` into `target`.
    func isPrefix(_ state: State, of target: State) -> Bool {
        if state == target { return true }
        guard state != Self.any, target != Self.absent else { return false }
        let (short, long) = (bytes(state), bytes(target))
        return short.count <= long.count && long[..<short.count] == short[...]
    }

    private func bytes(_ state: State) -> [UInt8] { state == Self.absent ? [] : texts[Int(state) - 1] }
}
