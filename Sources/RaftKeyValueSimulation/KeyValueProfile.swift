internal import Raft
internal import RaftKeyValueModel
internal import RaftSimulation

/// What the clients of one run do, and which limits the nodes serve them within. Drawn from the seed.
struct KeyValueProfile {
    var callerCount: Int
    var watcherCount: Int
    var holderCount: Int
    var keyCount: Int
    /// Nanoseconds between an answer and a caller's next call.
    var pause: ClosedRange<Int64>
    /// How long leases live, in milliseconds.
    var leaseTimes: ClosedRange<UInt64>
    var spreadsReads: Bool
    var forwardsWrites: Bool
    /// About how many revisions are kept.
    var historyRevisions: UInt64
    /// How far the nodes send ahead on a watch, and how much in one message.
    var windowBytes: UInt64
    var pageBytes: Int
    /// How often a node looks at its watches and its history.
    var lookInterval: Duration
    /// How often it looks at leases: the less, the nearer to its bound a lease ends.
    var leaseInterval: Duration
    /// Milliseconds that a watching client takes now and then, at most: longer than a node waits, where it looks often.
    var longPause: UInt64
    /// Of a thousand messages between clients and nodes, how many break their connection.
    var breaksPerMille: Int
    /// Nanoseconds between two outages of a way between a client and a node, and how long they last; nil for none.
    var outagePause: Int64?
    var outage: ClosedRange<Int64>

    init(seed: UInt64, isCalm: Bool) {
        var random = RandomSource(seed: seed)
        func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }
        callerCount = pick([1, 2, 3, 4])
        watcherCount = pick([1, 2, 4, 6])
        holderCount = pick([1, 2, 3])
        keyCount = pick([1, 3, 8])
        pause = pick([2_000_000...40_000_000, 5_000_000...100_000_000, 50_000_000...400_000_000])
        leaseTimes = pick([1000...1000, 1000...2500, 1500...4000])
        spreadsReads = random.next() % 3 == 0
        forwardsWrites = random.next() % 3 == 0
        historyRevisions = pick([5, 20, 100, 100_000])
        (windowBytes, pageBytes) = pick([(100, 120), (400, 300), (128 << 10, 256 << 10)])
        lookInterval = pick([.milliseconds(100), .milliseconds(300), .seconds(1), .seconds(5)])
        leaseInterval = .milliseconds(pick([20, 100, 500]))
        longPause = pick([2000, 12_000, 30_000])
        breaksPerMille = isCalm ? 0 : pick([0, 1, 5, 20])
        outagePause = isCalm ? nil : pick([nil, 500_000_000, 2_000_000_000])
        outage = pick([1_000_000...300_000_000, 50_000_000...3_000_000_000])
    }

    /// Keys of all callers; the first ones have beginnings in common.
    func key(_ number: Int) -> [UInt8] { Array("\(number % 2 == 0 ? "a" : "b")/\(number)".utf8) }
    /// Keys of one caller, and of one holder.
    func mark(_ caller: Int) -> [UInt8] { Array("mark/\(caller)".utf8) }
    func held(_ holder: Int, _ number: Int) -> [UInt8] { Array("held/\(holder)/\(number)".utf8) }

    /// One key, all that begin alike, some, or all.
    func range(_ drawn: UInt64) -> KeyRange {
        let choice = drawn >> 8
        return switch drawn % 6 {
        case 0: KeyRange(key: key(Int(choice % UInt64(keyCount))))
        case 1: KeyRange(prefix: Array("a/".utf8))
        case 2: KeyRange(prefix: Array("held/".utf8))
        case 3: KeyRange(from: key(0), upTo: key(1))
        case 4: KeyRange(from: Array("b".utf8))
        default: KeyRange()
        }
    }

    var line: String {
        "\(callerCount) callers, \(watcherCount) watchers, \(holderCount) holders of leases of \(leaseTimes) ms; \(keyCount) keys; history of \(historyRevisions); watches \(windowBytes) bytes ahead, \(pageBytes) a message; looks every \(lookInterval), at leases every \(leaseInterval), pauses of \(longPause) ms; \(breaksPerMille) of 1000 messages break a connection"
    }
}
