/// What the four role actors have in common: a tenure, and the loop that all of a node's actors share.
protocol Role: Actor {
    associatedtype Rules: RoleRules
    /// Touched on the loop alone, whose guard is ``Actor/checkOnLoop()``: by closures it would cost a third of a turn.
    nonisolated var tenure: Tenure<Rules> { get }
    nonisolated var name: NodeRole { get }

    // Requirements, although no role has its own way: what is called through `any Role` is then compiled for each role,
    // where an extension's method would be one for all, that looks up every type as it runs.

    /// Takes office. Called on the loop.
    nonisolated func begin(_ baton: consuming Baton, now: Instant, _ devices: Devices) -> NextRole?
    /// One turn: decide on all messages that wait, then act. Called on the loop.
    nonisolated func turn(_ messages: inout [Message], now: Instant, _ devices: Devices) -> NextRole?
    /// Gives up the baton, and with it the office.
    nonisolated func surrender() -> Baton?
    /// Brings `status` up to date with this role in office.
    nonisolated func report(into status: inout NodeStatus, withPeers: Bool) -> RoleReport
}

/// What a role in office says after a turn, besides the status.
struct RoleReport {
    /// When it wants to be woken; nil for never.
    var deadline: Instant?
    /// For the node's hello: the newest configuration, and the cluster's birth mark.
    var configurationID = LogID.zero
    var bootstrap: UInt64?
}

extension Role {
    nonisolated func begin(_ baton: consuming Baton, now: Instant, _ devices: Devices) -> NextRole? {
        checkOnLoop()
        let next = tenure.begin(baton, now: now)
        announce(devices)
        tenure.perform { devices.perform($0) }
        return next
    }

    nonisolated func turn(_ messages: inout [Message], now: Instant, _ devices: Devices) -> NextRole? {
        checkOnLoop()
        let next = tenure.turn(&messages, now: now)
        announce(devices)
        tenure.perform { devices.perform($0) }
        return next
    }

    private nonisolated func announce(_ devices: Devices) {
        tenure.withBaton { baton, _ in devices.announce(baton.membership.current, baton.membership.currentID) }
    }

    nonisolated func surrender() -> Baton? {
        checkOnLoop()
        return tenure.surrender()
    }

    nonisolated func report(into status: inout NodeStatus, withPeers: Bool) -> RoleReport {
        checkOnLoop()
        return tenure.withBaton { baton, rules in
            status.update(baton, role: name)
            rules.report(into: &status, withPeers: withPeers, baton)
            return RoleReport(
                deadline: rules.deadline(baton), configurationID: baton.membership.currentID,
                bootstrap: baton.membership.bootstrap)
        } ?? RoleReport()
    }
}
