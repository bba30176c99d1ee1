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
            let end = me.tenure.begin(held, now: now)
            me.announce(devices)
            devices.perform(me.tenure.takeEffects())
            return end.next
        }
    }

    /// One turn: decide on all messages that wait, then act. Called on the loop.
    nonisolated func turn(_ messages: inout [Message], now: Instant, _ devices: Devices) -> NextRole? {
        assumeIsolated { me in
            let end = me.tenure.turn(&messages, now: now)
            me.announce(devices)
            devices.perform(me.tenure.takeEffects())
            return end.next
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

    /// The newest configuration's id and the cluster's birth mark, for the node's hello.
    nonisolated var configurationMark: (LogID, UInt64?) {
        assumeIsolated { me in
            me.tenure.withBaton { baton, _ in (baton.membership.currentID, baton.membership.bootstrap) } ?? (.zero, nil)
        }
    }

    /// What `NodeStatus` says while this role is in office.
    nonisolated func report(cluster: String, withPeers: Bool, previous: NodeStatus) -> NodeStatus {
        assumeIsolated { me in
            me.tenure.withBaton { baton, rules in
                var status = NodeStatus(baton, role: me.name, cluster: cluster, incarnation: previous.incarnation)
                if let leader = rules as? LeaderRules {
                    status.peers = withPeers ? leader.progress.map { PeerStatus($0, now: baton.now) } : previous.peers
                }
                return status
            } ?? previous
        }
    }
}

extension Tenure.End {
    var next: NextRole? {
        if case .next(let role) = self { role } else { nil }
    }
}
