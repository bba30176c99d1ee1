public import Raft

/// A certificate, its key, and the authorities that other sides must come from: what every connection needs.
///
/// TLS 1.3 only, unless ``TLSFiles/acceptsTLS12`` says otherwise; both sides always show a certificate, and there is no resumption: each connection is judged anew
/// (curl CVE-2016-5419, nginx CVE-2025-23419 and their like are all resumptions that skipped it).
///
/// All of it can be read anew while connections stand, see ``reload()``; ``CertificateWatcher`` does when the files
/// change.
public final class TLSContext: Sendable {
    /// Who the certificate says this side is. Never another, whatever the files say later.
    public let principal: Principal
    let files: TLSFiles

    private struct State {
        var material: TLSMaterial
        var reloadCount = 0
        var failureCount = 0
        var lastFailure: String?
        var droppedCount = 0
    }
    private let state: Lock<State>
    /// Held while files are read: of two reloads the later one comes last.
    private let loading = Lock(())
    let live = LiveConnections()

    /// - Throws: ``RaftError/Code/transport``, naming the file, what is wrong with it, and what to do.
    public init(_ files: TLSFiles) throws(RaftError) {
        let material = try TLSMaterial(files, replacing: nil)
        self.files = files
        principal = material.principal
        state = Lock(State(material: material))
    }

    /// - Parameters: paths of PEM files: the certificate with the intermediates that lead to its authority, its key,
    ///   and the authorities that other sides may come from. The key must not be readable by group or others.
    /// - Throws: ``RaftError/Code/transport``, naming the file, what is wrong with it, and what to do.
    public convenience init(certificate: String, key: String, ca: String) throws(RaftError) {
        try self.init(TLSFiles(certificate: certificate, key: key, ca: ca))
    }

    var current: TLSMaterial { state.withLock { $0.material } }

    /// What the certificate says, for status and logs.
    public var certificate: CertificateInfo { current.certificate }

    /// How long what is used is good, and what became of the reloads.
    public var status: TLSStatus {
        let state = state.withLock { $0 }
        let trust = state.material.trust
        return TLSStatus(
            principal: principal, notBefore: state.material.certificate.notBefore,
            notAfter: state.material.certificate.notAfter,
            authorityNotAfter: trust.authorities.map(\.notAfter).filter { $0 > UTC.now }.min() ?? 0,
            listNextUpdate: trust.lists?.compactMap(\.nextUpdate).min(),
            revokedCount: trust.lists.map { $0.reduce(0) { $0 + $1.serials.count } } ?? 0,
            reloadCount: state.reloadCount, failureCount: state.failureCount, lastFailure: state.lastFailure,
            droppedCount: state.droppedCount, ownRevocation: state.material.ownRevocation)
    }

    /// Reads the files anew, and uses what they hold for every new connection, if all of it is good; then verifies every
    /// connection that stands, and drops those whose other side would no longer be let in: revoked ones at once, others
    /// after half a second in which they end what is open.
    ///
    /// Blocks while files are read and certificates verified, about a fifth of a millisecond for each connection.
    ///
    /// - Returns: the connections dropped.
    /// - Throws: ``RaftError/Code/transport``; then nothing has changed.
    public func reload() throws(RaftError) -> [DroppedConnection] {
        let result = loading.withLock { _ -> Result<[DroppedConnection], RaftError> in
            do throws(RaftError) {
                let material = try TLSMaterial(files, replacing: current)
                state.withLock {
                    $0.material = material
                    $0.reloadCount += 1
                    $0.lastFailure = nil
                }
                return .success(live.drop { material.trust.expulsion(of: $0) })
            } catch {
                state.withLock {
                    $0.failureCount += 1
                    $0.lastFailure = error.message
                }
                return .failure(error)
            }
        }
        if case .success(let dropped) = result { state.withLock { $0.droppedCount += dropped.count } }
        return try result.get()
    }

    /// The wall clock, as certificates are judged by it, in seconds since 1970-01-01 UTC.
    public static var now: Int64 { UTC.now }

    /// Drops connections whose certificates, good when they were made, have expired since.
    func dropExpired() -> [DroppedConnection] {
        let now = UTC.now
        let dropped = live.drop { connection in
            guard connection.validUntil < now else { return nil }
            return Expulsion(
                reason:
                    "certificate \(connection.leaf.subject) or one above it expired at \(UTC.text(connection.validUntil))",
                isSudden: false)
        }
        if !dropped.isEmpty { state.withLock { $0.droppedCount += dropped.count } }
        return dropped
    }
}

/// A connection that was good when it was made, and was ended because its other side no longer is.
public struct DroppedConnection: Hashable, Sendable {
    /// Who was at the other end.
    public let principal: Principal
    public let reason: String
}

/// How long what a side shows and trusts is good, and what became of its reloads.
public struct TLSStatus: Hashable, Sendable {
    public var principal: Principal
    /// Seconds since 1970-01-01 UTC, as all times here.
    public var notBefore: Int64
    public var notAfter: Int64
    /// Of the authorities in the CA file that are still good, the one that expires first; 0 when there is none.
    public var authorityNotAfter: Int64
    /// When the first of the revocation lists is due to be renewed; nil without lists.
    public var listNextUpdate: Int64?
    public var revokedCount: Int
    public var reloadCount: Int
    public var failureCount: Int
    /// Why the last reload changed nothing; nil when it did.
    public var lastFailure: String?
    /// Connections ended because a reload, or the time, made them bad.
    public var droppedCount: Int
    /// This side's own certificate was revoked.
    public var ownRevocation: String?

    /// What an operator should do something about; nil when there is nothing.
    public func problem(now: Int64) -> String? {
        var problems = [
            ownRevocation.map { "its own \($0)" }, lastFailure.map { "it kept its old certificates: \($0)" },
        ]
        func soon(_ what: String, from begin: Int64, until end: Int64, _ levels: [Int]) -> String? {
            var rules = ExpiryRules(levels: levels)
            guard let days = rules.look(from: begin, until: end, now: now) else { return nil }
            return days < 0
                ? "\(what) expired at \(UTC.text(end))" : "\(what) expires in \(days) days, at \(UTC.text(end))"
        }
        problems.append(soon("its certificate", from: notBefore, until: notAfter, ExpiryRules.certificateLevels))
        if authorityNotAfter == 0 {
            problems.append("every authority in its CA file has expired")
        } else {
            problems.append(
                soon("an authority in its CA file", from: 0, until: authorityNotAfter, ExpiryRules.certificateLevels))
        }
        problems.append(
            listNextUpdate.flatMap { soon("a revocation list", from: 0, until: $0, ExpiryRules.listLevels) })
        let told = problems.compactMap { $0 }
        return told.isEmpty ? nil : told.joined(separator: "; ")
    }

    /// Whole days until a moment, rounded down; below zero once it has passed.
    public static func days(until moment: Int64, from now: Int64) -> Int {
        Int((moment - now) / 86_400) - (moment < now && (now - moment) % 86_400 != 0 ? 1 : 0)
    }
}
