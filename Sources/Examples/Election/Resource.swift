/// What the leader alone may write to, outside of the cluster: a file store, a device, another database.
///
/// It takes nothing from who has been overtaken. The highest token must be as durable as what is written.
actor Resource {
    private(set) var content = ""
    private var highest: UInt64 = 0
    struct Overtaken: Error, CustomStringConvertible {
        let token, highest: UInt64
        var description: String { "token \(token) is refused: \(highest) was here" }
    }

    func write(_ text: String, token: UInt64) throws {
        guard token >= highest else { throw Overtaken(token: token, highest: highest) }
        (highest, content) = (token, text)
    }
}
