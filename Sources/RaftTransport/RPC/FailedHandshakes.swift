internal import NIOCore

/// How many handshakes have failed lately, by the address that they came from.
///
/// An account for each address: a failure adds one, and so many a second are forgotten as the limit says. Once an
/// address has failed as often as it may, its connections are closed before anything is worked out for them, until
/// some of it is forgotten: the first step of a handshake is the dear one, and anybody can ask for it (NATS limits
/// connections in the same place; etcd had not even a deadline there, GHSA-6vch-q96h-7gc3).
///
/// Invariant: a second after its last failure an address is as good as new, however many came before.
struct FailedHandshakes {
    private struct Account {
        var level: Double
        var at: NIODeadline
    }
    private var accounts: [RemoteAddress: Account] = [:]
    private var lastSweep = NIODeadline.uptimeNanoseconds(0)
    private let perSecond: Double

    /// The most addresses of which something is kept. With more of them, each failing, what bounds the work is that
    /// handshakes have threads of their own.
    static let maximumAddresses = 4096

    init(perSecond: Int) { self.perSecond = Double(perSecond) }

    var addressCount: Int { accounts.count }

    private func level(_ account: Account, _ now: NIODeadline) -> Double {
        max(0, account.level - Double((now - account.at).nanoseconds) / 1e9 * perSecond)
    }

    /// Whether one more failure would be above the limit.
    func isSpent(_ address: RemoteAddress, now: NIODeadline) -> Bool {
        guard let account = accounts[address] else { return false }
        return level(account, now) > perSecond - 1
    }

    mutating func note(_ address: RemoteAddress, now: NIODeadline) {
        if let account = accounts[address] {
            accounts[address] = Account(level: min(perSecond, level(account, now) + 1), at: now)
            return
        }
        if accounts.count >= Self.maximumAddresses, now - lastSweep >= .seconds(1) {
            lastSweep = now
            accounts = accounts.filter { level($0.value, now) > 0 }
        }
        guard accounts.count < Self.maximumAddresses else { return }
        accounts[address] = Account(level: 1, at: now)
    }
}
