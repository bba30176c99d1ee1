/// What the four role actors have in common: a tenure, and the loop that all of a node's actors share.
protocol Role: Actor {
    associatedtype Rules: RoleRules
    var tenure: Tenure<Rules> { get }
    nonisolated var name: NodeRole { get }
}

extension Role {
    /// Takes office. Called on the loop.
    nonisolated func begin(_ baton: consuming Baton, now: Instant, _ devices: Devices) -> NextRole? {
        var slot: Baton? = consume baton
        return assumeIsolated { me in
            guard let held = slot.take() else { return nil }
            let next = me.tenure.begin(held, now: now)
            me.announce(devices)
            devices.perform(me.tenure.takeEffects())
            return next
        }
    }

    /// One turn: decide on all messages that wait, then act. Called on the loop.
    nonisolated func turn(_ messages: inout [Message], now: Instant, _ devices: Devices) -> NextRole? {
        assumeIsolated { me in
            let next = me.tenure.turn(&messages, now: now)
            me.announce(devices)
            devices.perform(me.tenure.takeEffects())
            return next
        }
    }

    private func announce(_ devices: Devices) {
        tenure.withBaton { baton, _ in devices.announce(baton.membership.current, baton.membership.currentID) }
    }

    /// Gives up the baton, and with it the office.
    nonisolated func surrender() -> Baton? {
        var slot: Baton?
        assumeIsolated { me in slot = me.tenure.surrender() }
        return slot.take()
    }

    nonisolated var deadline: Instant? { assumeIsolated { $0.tenure.deadline } }

    /// Brings `status` up to date with this role in office. Returns the newest configuration's id and the cluster's
    /// birth mark, for the node's hello.
    nonisolated func report(into status: inout NodeStatus, withPeers: Bool) -> (LogID, UInt64?) {
        assumeIsolated { me in
            me.tenure.withBaton { baton, rules in
                status.update(baton, role: me.name)
                if Rules.self != LeaderRules.self {
                    if !status.peers.isEmpty { status.peers = [] }
                    status.leaseExpiry = nil
                    status.failureTolerance = nil
                    status.transfer = nil
                } else if withPeers || baton.membership.current?.leaseWindow != nil,
                    let leader = rules as? LeaderRules
                {
                    status.leaseExpiry = leader.leaseExpiry(baton)
                    if withPeers { leader.describe(&status, baton) }
                }
                return (baton.membership.currentID, baton.membership.bootstrap)
            } ?? (.zero, nil)
        }
    }
}
