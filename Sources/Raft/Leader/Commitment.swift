/// When an entry is committed.
enum Commitment {
    /// The highest index a quorum holds, if it was written in this term; else nil.
    ///
    /// An entry of an older term is committed only by one of ours above it: counting copies of the old one could
    /// commit what a later leader may still overwrite (§5.4.2, Figure 8).
    ///
    /// Each voter counts for what it has on disk, and this node like any other: only once its own disk has answered.
    static func index(
        _ configuration: ClusterConfiguration, progress: [Progress], _ baton: borrowing Baton
    ) -> LogIndex? {
        let me = baton.me
        let durable = baton.durableIndex
        let agreed = Quorum(configuration).agreed { id -> LogIndex in
            if Mutant.isOn("removed-leader-counts"), !configuration.isVoter(me), id == configuration.voters.first {
                return durable
            }
            if id == me, Mutant.isOn("own-copy-before-disk") { return baton.log.last.index }
            return id == me ? durable : progress.firstIndex { $0.peer == id }.map { progress[$0].matchIndex } ?? 0
        }
        guard agreed > baton.commitIndex else { return nil }
        if Mutant.isOn("old-term-commit") { return agreed }
        guard baton.log.term(at: agreed) == baton.currentTerm else {
            baton.settings.reached(.oldTermNotCounted)
            return nil
        }
        return agreed
    }
}
