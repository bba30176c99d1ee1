/// How much the operators of a cluster want a node to lead. Part of the configuration, so every node knows it of all.
public enum LeadershipPreference: UInt8, Sendable, Hashable, CaseIterable {
    /// It may lead as well as any other.
    case ordinary = 0
    /// Leadership moves to it once it has caught up and is steady; see ``Configuration/preferenceInterval``.
    case preferred = 1
    /// It votes and never leads for long: where it alone holds the newest log it campaigns after three election timeouts,
    /// and hands over as soon as another voter has caught up.
    case never = 2

    /// Who has the greater rank should lead.
    var rank: Int {
        switch self {
        case .never: 0
        case .ordinary: 1
        case .preferred: 2
        }
    }

    /// Those that a list of members tells of.
    static let told: [LeadershipPreference] = [.preferred, .never]

    var adjective: String {
        switch self {
        case .ordinary: "ordinary"
        case .preferred: "preferred to lead"
        case .never: "never to lead"
        }
    }
}
