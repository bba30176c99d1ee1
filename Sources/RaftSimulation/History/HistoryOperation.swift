/// One call of one client on one key, as the client saw it: what a history is made of.
///
/// A history holds every call that had, or may have had, an effect, and every read. A call that certainly did nothing
/// (refused, never sent) is not in it: nothing follows from it.
///
/// ## The file
///
/// One JSON object a line (``HistoryFormat``), in any order of lines, with exactly these fields:
///
/// | field | what |
/// |---|---|
/// | `client` | a number; says who called, and decides nothing |
/// | `key` | text |
/// | `op` | `put`, `get`, `cas` or `append` |
/// | `in` | what the call was given, see below |
/// | `out` | what it was told, see below; null while the outcome is unknown |
/// | `call_ns` | nanoseconds at which the call began; one monotonic clock for the whole history |
/// | `return_ns` | nanoseconds at which its answer came, not before `call_ns`; null when the outcome is unknown |
///
/// | `op` | `in` | `out` |
/// |---|---|---|
/// | `put` | the new value: text | `"ok"` |
/// | `get` | null | the value: text; null when the key was absent |
/// | `cas` | `[expected, new]`; `expected` is null for "the key is absent" | true: it was so, and is now `new`. false: it was not so, and nothing changed |
/// | `append` | text that goes behind the value; an absent key counts as empty | `"ok"` |
///
/// An outcome that is unknown stays so for ever: the call may take effect at any time after it began, or never.
public struct HistoryOperation: Hashable, Sendable {
    /// What was called.
    public enum Kind: Hashable, Sendable {
        case put(String)
        case get
        /// Sets the key to `new` if it is `expected`; nil for absent.
        case compareAndSwap(expected: String?, new: String)
        /// Puts the text behind the value. An absent key counts as empty.
        case append(String)
    }

    /// What came of it.
    public enum Result: Hashable, Sendable {
        /// A put or an append took effect.
        case done
        /// What a get found; nil for absent.
        case value(String?)
        /// Whether a compare-and-swap found what it expected, and so changed the key.
        case swapped(Bool)
    }

    /// Who called: calls of one client follow each other.
    public let client: UInt64
    /// The key that it was about: each is a register of its own.
    public let key: String
    public let kind: Kind
    /// Nanoseconds of one monotonic clock for the whole history, from 0 on.
    public let callNanoseconds: Int64
    /// Nil while the outcome is unknown.
    public private(set) var result: Result?
    /// When the answer came. Nil exactly when ``result`` is.
    public private(set) var returnNanoseconds: Int64?

    /// A call whose outcome is unknown, and stays so unless ``finish(_:at:)`` is called.
    ///
    /// - Precondition: `callNanoseconds` is not negative.
    public init(client: UInt64, key: String, kind: Kind, callNanoseconds: Int64) {
        precondition(callNanoseconds >= 0, "a call at \(callNanoseconds) ns")
        self.client = client
        self.key = key
        self.kind = kind
        self.callNanoseconds = callNanoseconds
    }

    /// The answer came.
    ///
    /// - Precondition: `result` is one that this kind of call can have, and `nanoseconds` is not before the call.
    public mutating func finish(_ result: Result, at nanoseconds: Int64) {
        precondition(kind.allows(result), "\(kind) cannot end with \(result)")
        precondition(nanoseconds >= callNanoseconds, "returned at \(nanoseconds) ns, called at \(callNanoseconds) ns")
        self.result = result
        returnNanoseconds = nanoseconds
    }

    /// The same call with its answer.
    public func finished(_ result: Result, at nanoseconds: Int64) -> HistoryOperation {
        var copy = self
        copy.finish(result, at: nanoseconds)
        return copy
    }
}

extension HistoryOperation.Kind {
    func allows(_ result: HistoryOperation.Result) -> Bool {
        switch (self, result) {
        case (.put, .done), (.append, .done), (.get, .value), (.compareAndSwap, .swapped): true
        default: false
        }
    }
}

extension HistoryOperation: CustomStringConvertible {
    /// `client 3: put "a" → ok, 1000…2000 ns`, on one line whatever the texts hold.
    public var description: String {
        "client \(client): \(call) → \(answer), \(callNanoseconds)…\(returnNanoseconds.map { "\($0)" } ?? "") ns"
    }

    var call: String {
        func shown(_ text: String?) -> String { text.map(HistoryFormat.quoted) ?? "absent" }
        return switch kind {
        case .put(let value): "put \(shown(value))"
        case .get: "get"
        case .compareAndSwap(let expected, let new): "cas \(shown(expected)) to \(shown(new))"
        case .append(let text): "append \(shown(text))"
        }
    }

    var answer: String {
        switch result {
        case nil: "unknown"
        case .done: "ok"
        case .value(let value): value.map(HistoryFormat.quoted) ?? "absent"
        case .swapped(let isSwapped): isSwapped ? "swapped" : "not swapped"
        }
    }
}
