import Testing

@testable import Raft

@Suite("A cluster's configuration")
struct ClusterConfigurationTests {
    typealias Member = ClusterConfiguration.Member

    static let joint = Desk<FollowerRules>.configuration([1, 2, 3], [3, 4], [7])

    @Test("What is encoded is decoded, and equal configurations are equal bytes")
    func roundTrip() throws {
        let simple = try ClusterConfiguration(voters: [
            Member(id: 3, address: "c:1"), Member(id: 1, address: "[::1]:7001"), Member(id: 2, address: "é.example:2"),
        ])
        for configuration in [simple, Self.joint] {
            #expect(try ClusterConfiguration(decoding: configuration.encoded) == configuration)
        }
        let shuffled = try ClusterConfiguration(voterSets: [[2, 3, 1]], members: simple.members.reversed())
        #expect(shuffled == simple)
        #expect(shuffled.encoded == simple.encoded)
        #expect(simple.voters == [1, 2, 3])
    }

    @Test("Voters of any set vote; the others are learners")
    func roles() {
        #expect(Self.joint.voters == [1, 2, 3, 4])
        #expect(Self.joint.learners == [7])
        #expect(Self.joint.isJoint && Self.joint.isVoter(4) && !Self.joint.isVoter(7) && Self.joint.contains(7))
        #expect(Self.joint.address(of: 4) == "node-4" && Self.joint.address(of: 9) == nil)
    }

    @Test("It prints in one line: the voters of each set, the learners, and where everyone listens")
    func description() throws {
        let two = try ClusterConfiguration(voters: [Member(id: 2, address: "b:1"), Member(id: 1, address: "a:1")])
        #expect("\(two)" == "voters 1, 2 (1=a:1, 2=b:1)")
        #expect(
            "\(Self.joint)"
                == "voters 1, 2, 3 and 3, 4; learners 7 (1=node-1, 2=node-2, 3=node-3, 4=node-4, 7=node-7)")
    }

    @Test("Members that cannot work are refused with the reason")
    func refused() {
        func refusal(_ sets: [[NodeID]], _ members: [Member]) -> String? {
            do {
                _ = try ClusterConfiguration(voterSets: sets, members: members)
                return nil
            } catch { return error.code == .invalidConfiguration ? error.message : nil }
        }
        let a = Member(id: 1, address: "a")
        #expect(refusal([], [a]) == "member list refused: 0 voter sets; it must be one, or two during a change")
        #expect(refusal([[1], [1], [1]], [a]) != nil)
        #expect(refusal([[]], [a]) == "member list refused: no voter in it")
        #expect(refusal([[1, 2]], [a]) == "member list refused: voter 2 is not a member")
        #expect(refusal([[1, 1]], [a]) == "member list refused: voter 1 is named twice")
        #expect(
            refusal([[1]], [a, Member(id: 1, address: "b")])
                == "member list refused: node 1 is named twice, at a and at b")
        #expect(refusal([[0]], [Member(id: 0, address: "a")]) == "member list refused: node id 0; ids begin at 1")
        #expect(refusal([[1]], [Member(id: 1, address: "")]) != nil)
        #expect(refusal([[1]], [Member(id: 1, address: String(repeating: "x", count: 1025))]) != nil)
    }

    @Test("Hostile bytes are refused as corrupt: cut anywhere, one bit turned, or with huge counts")
    func hostile() {
        func decode(_ bytes: [UInt8]) -> Result<ClusterConfiguration, RaftError> {
            do { return .success(try ClusterConfiguration(decoding: bytes)) } catch { return .failure(error) }
        }
        let good = Self.joint.encoded
        for end in 0..<good.count {
            guard case .failure(let error) = decode(Array(good[..<end])) else {
                Issue.record("cut at \(end) is accepted")
                continue
            }
            #expect(error.code == .corrupt)
        }
        for bit in 0..<(good.count * 8) {
            var bytes = good
            bytes[bit / 8] ^= 1 << (bit % 8)
            // Either refused as corrupt, or some other configuration that is valid in itself.
            switch decode(bytes) {
            case .failure(let error): #expect(error.code == .corrupt, "bit \(bit): \(error)")
            case .success(let other): #expect(other.encoded == bytes || other != Self.joint)
            }
        }
        if case .success = decode(good + [0]) { Issue.record("a byte too many is accepted") }
        if case .success = decode([1, 1, 255, 255, 255, 255]) { Issue.record("a count without voters is accepted") }
        if case .success = decode([1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]) {
            Issue.record("a count without members is accepted")
        }
    }

    static func life(_ number: UInt64) -> Incarnation { Incarnation(rawValue: number) }

    @Test("Lives, those who leave, and those who were removed are part of it; without them the bytes are those of old")
    func lives() throws {
        let full = try ClusterConfiguration(
            voterSets: [[1, 2], [2]],
            members: [
                Member(id: 1, address: "a:1", incarnation: Self.life(5)), Member(id: 2, address: "b:1"),
            ], leaving: [1],
            removed: [.init(id: 9, incarnation: Self.life(7)), .init(id: 8, incarnation: nil)])
        #expect(try ClusterConfiguration(decoding: full.encoded) == full)
        #expect(full.encoded.first == 2 && Self.joint.encoded.first == 1)
        #expect(full.hasSameMembers(as: full.binding { _ in Self.life(6) }))
        #expect(full.binding { _ in Self.life(6) }.members.map(\.incarnation) == [Self.life(5), Self.life(6)])
        #expect(full.description == "voters 1, 2 and 2; leaving 1 (1=a:1, 2=b:1)")
        let good = full.encoded
        for end in 0..<good.count {
            #expect(throws: RaftError.self, "cut at \(end)") { try ClusterConfiguration(decoding: good[..<end]) }
        }
        for bit in 0..<(good.count * 8) {
            var bytes = good
            bytes[bit / 8] ^= 1 << (bit % 8)
            if let other = try? ClusterConfiguration(decoding: bytes) { #expect(other != full, "bit \(bit)") }
        }
    }

    @Test("Who was removed is told by its life; one whose life nobody knew by its id")
    func removed() throws {
        let configuration = try ClusterConfiguration(
            voterSets: [[1]], members: [Member(id: 1, address: "a:1"), Member(id: 7, address: "g:1")],
            removed: [
                .init(id: 9, incarnation: Self.life(7)), .init(id: 8, incarnation: nil),
                .init(id: 7, incarnation: Self.life(3)),
            ])
        #expect(configuration.isRemoved(9, Self.life(7)) && !configuration.isRemoved(9, Self.life(8)))
        #expect(configuration.isRemoved(8, Self.life(1)) && !configuration.isRemoved(2, Self.life(7)))
        #expect(!configuration.isRemoved(7, Self.life(3)), "its id is in use again")
    }

    @Test("Who leaves must lose its vote, and no life is zero")
    func leavingRefused() {
        let members = [Member(id: 1, address: "a:1"), Member(id: 2, address: "b:1")]
        for (sets, leaving) in [
            ([[1, 2]], [1]), ([[1, 2], [1, 2]], [1]), ([[1], [2]], [2]), ([[1], [2]], [1, 1]),
        ]
            as [([[NodeID]], [NodeID])]
        {
            #expect(throws: RaftError.self) {
                try ClusterConfiguration(voterSets: sets, members: members, leaving: leaving)
            }
        }
        #expect(throws: RaftError.self) {
            try ClusterConfiguration(voters: [Member(id: 1, address: "a:1", incarnation: Self.life(0))])
        }
        let many = (0...ClusterConfiguration.maximumRemovedCount).map { _ in
            ClusterConfiguration.Removed(id: 9, incarnation: nil)
        }
        #expect(throws: RaftError.self) {
            try ClusterConfiguration(voterSets: [[1]], members: members, removed: many)
        }
    }

    @Test("Who should lead, and who waits for a vote, is part of it; without either the bytes are those of old")
    func preferences() throws {
        let full = try ClusterConfiguration(
            voterSets: [[1, 2, 3]],
            members: [
                Member(id: 1, address: "a:1", incarnation: Self.life(5), preference: .preferred),
                Member(id: 2, address: "b:1", preference: .never), Member(id: 3, address: "c:1"),
                Member(id: 4, address: "d:1", isPromotedWhenReady: true),
            ], removed: [.init(id: 9, incarnation: Self.life(7))])
        #expect(try ClusterConfiguration(decoding: full.encoded) == full)
        #expect(full.encoded.first == 4)
        #expect(
            full.description
                == "voters 1, 2, 3; learners 4; preferred to lead 1; never to lead 2 (1=a:1, 2=b:1, 3=c:1, 4=d:1)")
        #expect(
            [1, 2, 3, 4, 9].map { full.preference(of: $0) } == [.preferred, .never, .ordinary, .ordinary, .ordinary])
        var plain = full.members
        for at in plain.indices {
            plain[at].preference = .ordinary
            plain[at].isPromotedWhenReady = false
        }
        let old = try ClusterConfiguration(voterSets: full.voterSets, members: plain, removed: full.removed)
        #expect(old.encoded.first == 2 && full.hasSameMembers(as: old) && full != old)
        let good = full.encoded
        for end in 0..<good.count {
            #expect(throws: RaftError.self, "cut at \(end)") { try ClusterConfiguration(decoding: good[..<end]) }
        }
        for bit in 0..<(good.count * 8) {
            var bytes = good
            bytes[bit / 8] ^= 1 << (bit % 8)
            if let other = try? ClusterConfiguration(decoding: bytes) { #expect(other != full, "bit \(bit)") }
        }
    }

    @Test("Of each set of voters somebody may lead, and no voter waits for a vote")
    func hopeless() {
        let one = Member(id: 1, address: "a:1", preference: .never)
        let two = Member(id: 2, address: "b:1")
        for sets in [[[1]], [[1], [2]], [[1, 2], [1]]] as [[[NodeID]]] {
            let error = #expect(throws: RaftError.self) {
                try ClusterConfiguration(voterSets: sets, members: [one, two])
            }
            #expect(error?.message == "member list refused: of the voters [1] nobody may ever lead; let one of them")
        }
        #expect(throws: RaftError.self) {
            try ClusterConfiguration(voters: [Member(id: 2, address: "b:1", isPromotedWhenReady: true)])
        }
    }
}
