/// Who belongs to the cluster, and who of them votes: the content of a configuration entry.
///
/// Takes effect when it is appended, not when it is committed, and loses it again when it is truncated (§6).
public struct ClusterConfiguration: Hashable, Sendable {
    public struct Member: Hashable, Sendable {
        public let id: NodeID
        /// Where it listens: `host:port`.
        public var address: String
        public init(id: NodeID, address: String) {
            self.id = id
            self.address = address
        }
    }

    /// More than any cluster has use for; keeps the cost of a hostile member list small.
    public static let maximumMemberCount = 255

    /// One set of voters, or two while a change is under way (joint consensus, §6): decisions then need a majority of
    /// each. Each set is sorted and not empty.
    public let voterSets: [[NodeID]]
    /// Everyone, sorted by id: the voters of every set and the learners.
    public let members: [Member]

    /// - Throws: when there are more than ``maximumMemberCount`` members, a set is empty, two members have one id, an id is zero, an address is empty, or a voter is not a
    ///   member.
    public init(voterSets: [[NodeID]], members: [Member]) throws(RaftError) {
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
        }
        var sets: [[NodeID]] = []
        for set in voterSets {
            let ids = set.sorted()
            guard !ids.isEmpty else { throw refuse("no voter in it") }
            for (a, b) in zip(ids, ids.dropFirst()) where a == b { throw refuse("voter \(a) is named twice") }
            for id in ids where !sorted.contains(where: { $0.id == id }) {
                throw refuse("voter \(id) is not a member")
            }
            sets.append(ids)
        }
        self.voterSets = sets
        self.members = sorted
    }

    /// A configuration in which every member votes.
    public init(voters: [Member]) throws(RaftError) {
        try self.init(voterSets: [voters.map(\.id)], members: voters)
    }

    public var isJoint: Bool { voterSets.count > 1 }
    public func isVoter(_ id: NodeID) -> Bool { voterSets.contains { $0.contains(id) } }
    public func contains(_ id: NodeID) -> Bool { members.contains { $0.id == id } }
    public func address(of id: NodeID) -> String? { members.first { $0.id == id }?.address }
    /// Every id that votes in any set, sorted.
    public var voters: [NodeID] { members.map(\.id).filter(isVoter) }
    public var learners: [NodeID] { members.map(\.id).filter { !isVoter($0) } }
    /// Whether `id` alone can decide: every set is {id}. One set alone is not enough (R12).
    public func isSoleVoter(_ id: NodeID) -> Bool { voterSets.allSatisfy { $0 == [id] } }
}

extension ClusterConfiguration: CustomStringConvertible {
    /// One line for logs, such as `voters 1, 2; learners 7 (1=a:7001, 2=b:7001, 7=c:7001)`; during a change
    /// `voters 1, 2 and 2, 3`.
    public var description: String {
        func list(_ ids: [NodeID]) -> String { ids.map(\.description).joined(separator: ", ") }
        let voters = "voters " + voterSets.map(list).joined(separator: " and ")
        let others = learners.isEmpty ? "" : "; learners " + list(learners)
        return "\(voters)\(others) (" + members.map { "\($0.id)=\($0.address)" }.joined(separator: ", ") + ")"
    }
}

// MARK: - Bytes

extension ClusterConfiguration {
    private static let version: UInt8 = 1

    /// The payload of a configuration entry: the same bytes for equal configurations, on every machine.
    ///
    ///     u8 version 1 · u8 sets · per set: u32 count, u64 ids · u32 members · per member: u64 id, u16 length, address
    public var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.version, UInt8(voterSets.count)]
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
        }
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
        let version = try take(UInt8.self)
        guard version == Self.version else { throw corrupt("version \(version), this program knows \(Self.version)") }
        let setCount = try take(UInt8.self)
        guard (1...2).contains(setCount) else { throw corrupt("\(setCount) voter sets") }
        var sets: [[NodeID]] = []
        for _ in 0..<setCount {
            let count = try take(UInt32.self)
            guard rest.count >= Int(count) * 8 else { throw corrupt("\(count) voters in \(rest.count) bytes") }
            var set: [NodeID] = []
            for _ in 0..<count { set.append(NodeID(try take(UInt64.self))) }
            sets.append(set)
        }
        let memberCount = try take(UInt32.self)
        guard rest.count >= Int(memberCount) * 10 else {
            throw corrupt("\(memberCount) members in \(rest.count) bytes")
        }
        var members: [Member] = []
        for _ in 0..<memberCount {
            let id = NodeID(try take(UInt64.self))
            let length = Int(try take(UInt16.self))
            guard rest.count >= length else { throw corrupt("an address of \(length) bytes in \(rest.count)") }
            guard let address = String(validating: rest.prefix(length), as: UTF8.self) else {
                throw corrupt("an address that is not UTF-8")
            }
            rest = rest.dropFirst(length)
            members.append(Member(id: id, address: address))
        }
        guard rest.isEmpty else { throw corrupt("\(rest.count) bytes too many") }
        do { try self.init(voterSets: sets, members: members) } catch { throw corrupt(error.message) }
    }
}
