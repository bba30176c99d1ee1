/// What became of the state, for those who watch it.
package enum StateNews: Sendable {
    /// A run of commands was applied. `changes` are what it changed, as ``RaftKeyValueModel/KeyChange`` writes them, in
    /// order; they go no further than `through`.
    case applied(_ changes: [UInt8], through: UInt64)
    /// Another state took its place: what lies between is only in the history.
    case replaced(through: UInt64)
}
