/// One change of the members, and who comes and goes with it.
struct MembershipStep: Hashable, Sendable {
    var name: String
    /// Who is started for it, and added first.
    var newcomers: [UInt64]
    /// Who votes afterwards, and nobody else is a member.
    var voters: [UInt64]

    /// From voter 1 alone, through everything that is claimed, to one voter again.
    static let all: [MembershipStep] = {
        var steps = [
            MembershipStep(name: "alone", newcomers: [], voters: [1]),
            MembershipStep(name: "grow 1 → 3", newcomers: [2, 3], voters: [1, 2, 3]),
            MembershipStep(name: "grow 3 → 5", newcomers: [4, 5], voters: [1, 2, 3, 4, 5]),
        ]
        for old in UInt64(1)...5 {
            let new = old + 5
            steps.append(.init(name: "replace \(old) by \(new)", newcomers: [new], voters: Array((old + 1)...new)))
        }
        steps.append(.init(name: "replace all five", newcomers: Array(11...15), voters: Array(11...15)))
        steps.append(.init(name: "shrink 5 → 3", newcomers: [], voters: [11, 12, 13]))
        steps.append(.init(name: "shrink 3 → 1", newcomers: [], voters: [11]))
        return steps
    }()
}
