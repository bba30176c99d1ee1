/// Who belongs to the cluster, and who of them votes: the content of a configuration entry.
///
/// Takes effect when it is appended, not when it is committed, and loses it again when it is truncated (§6).
public struct ClusterConfiguration: Hashable, Sendable {
    /// One node of the cluster, a voter or a learner.
    public struct Member: Hashable, Sendable {
        /// Who it is.
        public let id: NodeID
        /// Where it listens: `host:port`.
        public var address: String
        /// The one life of it that is this member; nil as long as none is bound to it (see <doc:Incarnations>).
        public var incarnation: Incarnation?
        /// Whether it should lead, may lead, or must not.
        public var preference: LeadershipPreference
        /// Of a learner: it is given a vote by itself once it has caught up and is steady; see
        /// ``Configuration/steadyInterval``. False of every voter.
        public var isPromotedWhenReady: Bool
        public init(
            id: NodeID, address: String, incarnation: Incarnation? = nil, preference: LeadershipPreference = .ordinary,
            isPromotedWhenReady: Bool = false
        ) {
            self.id = id
            self.address = address
            self.incarnation = incarnation
            self.preference = preference
            self.isPromotedWhenReady = isPromotedWhenReady
        }
    }

    /// Who was a member and is none any more.
    public struct Removed: Hashable, Sendable {
        public let id: NodeID
        /// The life that it was; nil when whoever removed it did not know.
        public let incarnation: Incarnation?
        public init(id: NodeID, incarnation: Incarnation?) {
            self.id = id
            self.incarnation = incarnation
        }
    }

    /// More than any cluster has use for; keeps the cost of a hostile member list small.
    public static let maximumMemberCount = 255
    /// How many removed members are remembered: the newest ones.
    public static let maximumRemovedCount = 1024

    /// What it says, behind one reference: a turn looks at the configuration in force many times, and a copy is one
    /// count.
    private final class Contents: Sendable {
        let voterSets: [[NodeID]]
        let members: [Member]
        let leaving: [NodeID]
        let removed: [Removed]
        let leaseWindow: Duration?
        let voters: [NodeID]
        let learners: [NodeID]

        init(
            voterSets: [[NodeID]], members: [Member], leaving: [NodeID], removed: [Removed], leaseWindow: Duration?
        ) {
            self.voterSets = voterSets
            self.members = members
            self.leaving = leaving
            self.removed = removed
            self.leaseWindow = leaseWindow
            let ids = members.map(\.id)
            voters = ids.filter { id in voterSets.contains { $0.contains(id) } }
            learners = ids.filter { id in !voterSets.contains { $0.contains(id) } }
        }
    }
    private let contents: Contents

    /// One set of voters, or two while a change is under way (joint consensus, §6): decisions then need a majority of
    /// each. Each set is sorted and not empty.
    public var voterSets: [[NodeID]] { contents.voterSets }
    /// Everyone, sorted by id: the voters of every set and the learners.
    public var members: [Member] { contents.members }
    /// Of the first of two voter sets, sorted: those who are no members any more once the change is through. Whoever
    /// else loses its vote stays as a learner.
    public var leaving: [NodeID] { contents.leaving }
    /// Who was removed, in that order. An id that is used again can be there, too, with the lives that it was before.
    public var removed: [Removed] { contents.removed }
    /// How long a voter that has heard a leader elects nobody else, on its own clock: what lets the leader serve reads
    /// by a lease (``ReadConsistency/lease``). Nil where there are no leases. Whole nanoseconds; above zero, and not
    /// above any node's ``Configuration/electionTimeout``.
    public var leaseWindow: Duration? { contents.leaseWindow }
    /// Every id that votes in any set, sorted.
    public var voters: [NodeID] { contents.voters }
    /// Every other member, sorted.
    public var learners: [NodeID] { contents.learners }

    /// - Throws: when there are more than ``maximumMemberCount`` members, a set is empty, two members have one id, an
    ///   id is zero, an address is empty, a voter is not a member, somebody is leaving who does not lose its vote, nobody
    ///   of a set may lead, a voter waits to be promoted, or the lease window is not above zero or above an hour.
    public init(
        voterSets: [[NodeID]], members: [Member], leaving: [NodeID] = [], removed: [Removed] = [],
        leaseWindow: Duration? = nil
    ) throws(RaftError) {
        func refuse(_ reason: String) -> RaftError {
            RaftError(.invalidConfiguration, "member list refused: \(reason)")
        }
        guard (1...2).contains(voterSets.count) else {
            throw refuse("\(voterSets.count) voter sets; it must be one, or two during a change")
        }
        guard members.count <= Self.maximumMemberCount else {
            throw refuse("\(members.count) members; at most \(Self.maximumMemberCount) can belong to a cluster")
        }
        let sorted = members.sorted { $0.id < $1.id }
        for (a, b) in zip(sorted, sorted.dropFirst()) where a.id == b.id {
            throw refuse("node \(a.id) is named twice, at \(a.address) and at \(b.address)")
        }
        for member in sorted {
            guard member.id.rawValue > 0 else { throw refuse("node id 0; ids begin at 1") }
            guard !member.address.isEmpty, member.address.utf8.count <= 1024 else {
                throw refuse("node \(member.id) has no address, or one of more than 1024 bytes")
            }
            guard member.incarnation?.rawValue != 0 else { throw refuse("node \(member.id) is bound to no life") }
        }
        var sets: [[NodeID]] = []
        for set in voterSets {
            let ids = set.sorted()
            guard !ids.isEmpty else { throw refuse("no voter in it") }
            for (a, b) in zip(ids, ids.dropFirst()) where a == b { throw refuse("voter \(a) is named twice") }
            for id in ids where !sorted.contains(where: { $0.id == id }) {
                throw refuse("voter \(id) is not a member")
            }
            guard ids.contains(where: { id in sorted.contains { $0.id == id && $0.preference != .never } }) else {
                throw refuse("of the voters \(ids) nobody may ever lead; let one of them")
            }
            sets.append(ids)
        }
        for member in sorted where member.isPromotedWhenReady && sets.contains(where: { $0.contains(member.id) }) {
            throw refuse("voter \(member.id) waits to be promoted")
        }
        let going = leaving.sorted()
        for (a, b) in zip(going, going.dropFirst()) where a == b { throw refuse("node \(a) leaves twice") }
        for id in going where sets.count != 2 || !sets[0].contains(id) || sets[1].contains(id) {
            throw refuse("node \(id) leaves, but does not lose its vote")
        }
        guard removed.count <= Self.maximumRemovedCount, removed.allSatisfy({ $0.incarnation?.rawValue != 0 }) else {
            throw refuse("\(removed.count) removed members; at most \(Self.maximumRemovedCount) are remembered")
        }
        if let leaseWindow, leaseWindow <= .zero || leaseWindow > .seconds(3600) {
            throw refuse("lease window \(leaseWindow); it is above zero, and at most an hour")
        }
        contents = Contents(
            voterSets: sets, members: sorted, leaving: going, removed: removed,
            leaseWindow: leaseWindow.map { Duration.nanoseconds($0.wholeNanoseconds) })
    }

    /// A configuration in which every member votes.
    public init(voters: [Member], leaseWindow: Duration? = nil) throws(RaftError) {
        try self.init(voterSets: [voters.map(\.id)], members: voters, leaseWindow: leaseWindow)
    }

    /// Whether a change of voters is under way: decisions then need a majority of each of two sets.
    public var isJoint: Bool { voterSets.count > 1 }
    /// Whether the node votes, in any of the sets.
    public func isVoter(_ id: NodeID) -> Bool { voterSets.contains { $0.contains(id) } }
    /// Whether the node is a member, voter or learner.
    public func contains(_ id: NodeID) -> Bool { position(of: id) != nil }
    /// What is said of a member; nil for a stranger.
    public func member(_ id: NodeID) -> Member? { position(of: id).map { members[$0] } }
    /// Without a copy of each member on the way.
    private func position(of id: NodeID) -> Int? { members.indices.first { members[$0].id == id } }
    /// Where a member listens; nil for a stranger.
    public func address(of id: NodeID) -> String? { position(of: id).map { members[$0].address } }
    /// Ordinary, too, for whoever is not a member.
    public func preference(of id: NodeID) -> LeadershipPreference {
        position(of: id).map { members[$0].preference } ?? .ordinary
    }
    /// Whether `id` alone can decide: every set is {id}. One set alone is not enough (R12).
    public func isSoleVoter(_ id: NodeID) -> Bool { voterSets.allSatisfy { $0 == [id] } }

    /// Whether this life of this node was removed, or some life of it that nobody knew.
    public func isRemoved(_ id: NodeID, _ incarnation: Incarnation) -> Bool {
        !contains(id) && removed.contains { $0.id == id && ($0.incarnation == nil || $0.incarnation == incarnation) }
    }

    /// Whether both have the same members, with the same votes and addresses: whatever lives these are bound to, and
    /// whoever of them should lead or waits to be promoted.
    public func hasSameMembers(as other: ClusterConfiguration) -> Bool {
        voterSets == other.voterSets && leaving == other.leaving && members.count == other.members.count
            && leaseWindow == other.leaseWindow
            && zip(members, other.members).allSatisfy { $0.id == $1.id && $0.address == $1.address }
    }

    public static func == (a: ClusterConfiguration, b: ClusterConfiguration) -> Bool {
        a.contents === b.contents
            || (a.voterSets == b.voterSets && a.members == b.members && a.leaving == b.leaving
                && a.removed == b.removed && a.leaseWindow == b.leaseWindow)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(voterSets)
        hasher.combine(members)
        hasher.combine(leaving)
        hasher.combine(removed)
        hasher.combine(leaseWindow)
    }

    /// The same, with these members bound to these lives. Who is bound already stays as it is.
    func binding(_ incarnation: (NodeID) -> Incarnation?) -> ClusterConfiguration {
        let bound = members.map { member in
            var member = member
            if member.incarnation == nil { member.incarnation = incarnation(member.id) }
            return member
        }
        return
            (try? ClusterConfiguration(
                voterSets: voterSets, members: bound, leaving: leaving, removed: removed, leaseWindow: leaseWindow))
            ?? self
    }
}

extension ClusterConfiguration: CustomStringConvertible {
    /// One line for logs, such as `voters 1, 2; learners 7 (1=a:7001, 2=b:7001, 7=c:7001)`; during a change
    /// `voters 1, 2 and 2, 3`.
    public var description: String {
        func list(_ ids: [NodeID]) -> String { ids.map(\.description).joined(separator: ", ") }
        let voters = "voters " + voterSets.map(list).joined(separator: " and ")
        let others =
            (learners.isEmpty ? "" : "; learners " + list(learners))
            + (leaving.isEmpty ? "" : "; leaving " + list(leaving))
            + (leaseWindow.map { "; leases of \($0)" } ?? "")
            + LeadershipPreference.told.map { preference in
                let ids = members.filter { $0.preference == preference }.map(\.id)
                return ids.isEmpty ? "" : "; \(preference.adjective) \(list(ids))"
            }.joined()
        return "\(voters)\(others) (" + members.map { "\($0.id)=\($0.address)" }.joined(separator: ", ") + ")"
    }
}

// MARK: - Bytes

extension ClusterConfiguration {
    /// Of a configuration that binds and remembers nobody, as every cluster's first one is.
    private static let plainVersion: UInt8 = 1
    private static let bindingVersion: UInt8 = 2
    /// With a lease window.
    private static let leasedVersion: UInt8 = 3
    /// Written only where somebody is preferred, kept from leading, or promoted when ready: a program that does not know
    /// of that refuses the entry, and every other one it can read.
    private static let preferringVersion: UInt8 = 4

    private var version: UInt8 {
        if members.contains(where: { $0.preference != .ordinary || $0.isPromotedWhenReady }) {
            return Self.preferringVersion
        }
        if leaseWindow != nil { return Self.leasedVersion }
        let isPlain = leaving.isEmpty && removed.isEmpty && members.allSatisfy { $0.incarnation == nil }
        return isPlain ? Self.plainVersion : Self.bindingVersion
    }

    /// The payload of a configuration entry: the same bytes for equal configurations, on every machine.
    ///
    ///     u8 version · u8 sets · per set: u32 count, u64 ids · u32 members · per member: u64 id, u16 length, address
    ///     version 2: after each address u64 incarnation, 0 for none; at the end
    ///     u32 leaving, u64 ids · u32 removed · per removed: u64 id, u64 incarnation
    ///     version 3: at the end u64 lease window, in nanoseconds
    ///     version 4: as 3, the window 0 for none; after each incarnation u8: bits 0 and 1 the preference, bit 2 whether
    ///     it is promoted when ready
    public var encoded: [UInt8] {
        let version = version
        let isPlain = version == Self.plainVersion
        var bytes: [UInt8] = [version, UInt8(voterSets.count)]
        func put<T: FixedWidthInteger>(_ value: T, into bytes: inout [UInt8]) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        for set in voterSets {
            put(UInt32(set.count), into: &bytes)
            for id in set { put(id.rawValue, into: &bytes) }
        }
        put(UInt32(members.count), into: &bytes)
        for member in members {
            put(member.id.rawValue, into: &bytes)
            put(UInt16(member.address.utf8.count), into: &bytes)
            bytes.append(contentsOf: member.address.utf8)
            if !isPlain { put(member.incarnation?.rawValue ?? 0, into: &bytes) }
            if version == Self.preferringVersion {
                bytes.append(member.preference.rawValue | (member.isPromotedWhenReady ? 4 : 0))
            }
        }
        guard !isPlain else { return bytes }
        put(UInt32(leaving.count), into: &bytes)
        for id in leaving { put(id.rawValue, into: &bytes) }
        put(UInt32(removed.count), into: &bytes)
        for gone in removed {
            put(gone.id.rawValue, into: &bytes)
            put(gone.incarnation?.rawValue ?? 0, into: &bytes)
        }
        if version >= Self.leasedVersion { put(leaseWindow?.wholeNanoseconds ?? 0, into: &bytes) }
        return bytes
    }

    /// - Throws: ``RaftError/Code/corrupt`` when the bytes are not exactly one valid configuration.
    public init(decoding bytes: some Sequence<UInt8>) throws(RaftError) {
        var rest = ArraySlice(Array(bytes))
        func corrupt(_ reason: String) -> RaftError { RaftError(.corrupt, "configuration entry: \(reason)") }
        func take<T: FixedWidthInteger>(_: T.Type) throws(RaftError) -> T {
            let size = MemoryLayout<T>.size
            guard rest.count >= size else { throw corrupt("ends after \(rest.endIndex) bytes") }
            let value = rest.prefix(size).withUnsafeBytes { $0.loadUnaligned(as: T.self) }
            rest = rest.dropFirst(size)
            return T(littleEndian: value)
        }
        /// How many follow, each of at least `size` bytes.
        func count(_ what: String, size: Int) throws(RaftError) -> UInt32 {
            let count = try take(UInt32.self)
            guard rest.count >= Int(count) * size else { throw corrupt("\(count) \(what) in \(rest.count) bytes") }
            return count
        }
        func life() throws(RaftError) -> Incarnation? {
            let value = try take(UInt64.self)
            return value == 0 ? nil : Incarnation(rawValue: value)
        }
        let version = try take(UInt8.self)
        guard (Self.plainVersion...Self.preferringVersion).contains(version) else {
            throw corrupt(
                "version \(version), this program knows \(Self.plainVersion) to \(Self.preferringVersion)")
        }
        let setCount = try take(UInt8.self)
        guard (1...2).contains(setCount) else { throw corrupt("\(setCount) voter sets") }
        var sets: [[NodeID]] = []
        for _ in 0..<setCount {
            var set: [NodeID] = []
            for _ in 0..<(try count("voters", size: 8)) { set.append(NodeID(try take(UInt64.self))) }
            sets.append(set)
        }
        var members: [Member] = []
        for _ in 0..<(try count("members", size: 10)) {
            let id = NodeID(try take(UInt64.self))
            let length = Int(try take(UInt16.self))
            guard rest.count >= length else { throw corrupt("an address of \(length) bytes in \(rest.count)") }
            guard let address = String(validating: rest.prefix(length), as: UTF8.self) else {
                throw corrupt("an address that is not UTF-8")
            }
            rest = rest.dropFirst(length)
            var member = Member(id: id, address: address)
            if version != Self.plainVersion { member.incarnation = try life() }
            if version == Self.preferringVersion {
                let wishes = try take(UInt8.self)
                guard wishes < 8, let preference = LeadershipPreference(rawValue: wishes & 3) else {
                    throw corrupt("wishes \(wishes) for node \(id)")
                }
                member.preference = preference
                member.isPromotedWhenReady = wishes & 4 != 0
            }
            members.append(member)
        }
        var leaving: [NodeID] = []
        var removed: [Removed] = []
        var leaseWindow: Duration?
        if version != Self.plainVersion {
            for _ in 0..<(try count("leaving", size: 8)) { leaving.append(NodeID(try take(UInt64.self))) }
            for _ in 0..<(try count("removed", size: 16)) {
                let id = NodeID(try take(UInt64.self))
                removed.append(Removed(id: id, incarnation: try life()))
            }
        }
        if version >= Self.leasedVersion {
            guard let nanoseconds = Int64(exactly: try take(UInt64.self)) else { throw corrupt("lease window") }
            if nanoseconds != 0 || version == Self.leasedVersion { leaseWindow = .nanoseconds(nanoseconds) }
        }
        guard rest.isEmpty else { throw corrupt("\(rest.count) bytes too many") }
        do {
            try self.init(
                voterSets: sets, members: members, leaving: leaving, removed: removed, leaseWindow: leaseWindow)
        } catch { throw corrupt(error.message) }
    }
}

extension Duration {
    fileprivate var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
