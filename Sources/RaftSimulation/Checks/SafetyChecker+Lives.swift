internal import Raft

// Which life of a node is the member, and what another life of it knows nothing of.

extension SafetyChecker {
    /// The node begins anew, with an empty disk and another incarnation.
    func lostDisk(_ node: NodeID) {
        rotted(node)
        reached(.diskLost)
        forget(node)
    }

    /// Another life of a member that was removed: whoever meets it has heard of that, or takes nothing from it.
    func beganAnew(_ node: NodeID) {
        reached(.memberBeganAnew)
        forget(node)
        incarnations[node] = nil
    }

    private func forget(_ node: NodeID) {
        withoutMemory.insert(node)
        lost[node] = mirrors[node]
        mirrors[node] = Mirror()
        snapshots[node] = nil
        damagedAtStart[node] = nil
        builds[node] = nil
        votesSent[node] = nil
        before[node] = nil
        appliedOn[node] = nil
    }

    /// Whether every other node has heard this one, and so has recorded which life of it it met.
    func isKnown(_ node: NodeID) -> Bool {
        nodes.allSatisfy { $0 == node || met.contains(NodePair(from: node, to: $0)) }
    }

    // MARK: Who talks to whom

    /// Something of `sender` arrived, perhaps of a life that has ended.
    func heard(_ sender: NodeID, at node: NodeID) { tenures?.arrived(from: sender, at: node, now: now()) }

    /// I15: a node that has met one life of another takes nothing from a second one.
    func arrived(from sender: NodeID, _ incarnation: Incarnation?, at node: NodeID) {
        guard let incarnation else { return }
        met.insert(NodePair(from: sender, to: node))
        // Who has lost its own disk cannot know whom it had met.
        guard !withoutMemory.contains(node) else { return }
        if let known = incarnations[sender], known != incarnation {
            fail("I15", "node \(node) took a message of node \(sender) in incarnation \(incarnation), after \(known)")
        }
        incarnations[sender] = incarnation
    }
}
