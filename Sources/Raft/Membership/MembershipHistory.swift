/// The configurations that the log holds: the newest is in force, committed or not; a truncation brings back the one
/// before it (§6).
struct MembershipHistory: Sendable {
    /// `members` is the entry that made the members what they are: this one, or, where this one only binds members to
    /// their lives, one before it.
    private var entries: [(id: LogID, configuration: ClusterConfiguration, members: LogID)] = []

    /// The configuration in force; nil on a node that belongs to no cluster yet.
    var current: ClusterConfiguration? {
        Mutant.isOn("configuration-at-commit") ? entries.first?.configuration : entries.last?.configuration
    }
    var currentID: LogID { entries.last?.id ?? .zero }
    /// Since which entry the members are what they are now, bindings aside.
    var membersID: LogID { entries.last?.members ?? .zero }

    /// The configuration with other members that a truncation of the ones after it would bring back; nil when none is
    /// known.
    var before: ClusterConfiguration? { entries.last { $0.members != membersID }?.configuration }

    /// The checksum of the configuration in entry 1, if this node holds that entry: the cluster's birth mark.
    private(set) var bootstrap: UInt64?

    mutating func append(_ configuration: ClusterConfiguration, at id: LogID) {
        if id.index == 1 { bootstrap = configuration.bootstrapMark }
        let isBinding = entries.last?.configuration.hasSameMembers(as: configuration) ?? false
        entries.append((id, configuration, isBinding ? membersID : id))
    }

    /// Everything before goes, committed or not: a snapshot's configuration is the newest at or before its last entry
    /// (openraft #1808). Since when the members are what they are, a snapshot does not say; perhaps it is known here.
    mutating func reset(to manifest: SnapshotManifest) {
        let id = manifest.configurationID
        let members = entries.last { $0.id == id }?.members ?? id
        entries = [(id, manifest.configuration, members)]
        bootstrap = manifest.bootstrap ?? bootstrap
    }

    /// Returns whether the configuration in force changed.
    mutating func truncate(through index: LogIndex) -> Bool {
        let before = entries.count
        if Mutant.isOn("cut-keeps-configuration") { return false }
        if index == 0 { bootstrap = nil }
        while let last = entries.last, last.id.index > index { entries.removeLast() }
        return entries.count != before
    }

    /// Forgets what can no longer come back: everything before the newest committed configuration.
    mutating func commit(through index: LogIndex) {
        while entries.count > 1, entries[1].id.index <= index { entries.removeFirst() }
    }

}

extension ClusterConfiguration {
    /// The birth mark of a cluster that began with this configuration: tells clusters apart that were bootstrapped
    /// apart; keeps nobody out.
    package var bootstrapMark: UInt64 { Self.birthMark(of: encoded) }

    /// FNV-1a, 64 bit.
    static func birthMark(of bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}
