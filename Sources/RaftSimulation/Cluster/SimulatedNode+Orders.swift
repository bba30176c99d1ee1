internal import Raft

// What an operator does to a node.

extension SimulatedNode {
    /// As a node that joins, if it was removed for good. False where it was not: nobody takes the directory of a member.
    func beginAnew() -> Bool {
        guard checker.isRemoved(id) else { return false }
        crash(losingPower: false)
        fileSystem.loseEverything()
        loseGuestState()
        members = nil
        powerFailure = nil
        checker.beganAnew(id)
        start()
        return true
    }

    func ask(_ request: MembershipRequest, guardedBy guarding: MemberGuard = .nothing) {
        guard let node else { return }
        let status = node.status
        let seen: LogID? =
            switch guarding {
            case .nothing: nil
            case .present: status.configurationID
            case .past: configurations.earlier
            }
        let isOutdated = seen.map { checker.isOutdated($0, status) } ?? false
        node.changeMembership(request, ifUnchangedSince: seen, timeout: .seconds(3)) { [checker, id] result in
            if isOutdated, case .success = result {
                checker.fail(
                    "I12", "leader \(id) did to other members what was asked for those of \(seen!): \(request)")
            }
        }
    }

    func crash(atInstallDamaging place: (perMille: Int, bit: Int)) {
        guard isUp, snapshots != nil else { return }
        _ = snapshots?.takeReceived()
        crashAtInstall = place
        // It counts as damaged from now on, whenever that comes.
        isRotten = true
        checker.rotted(id)
    }

    func endBeforeInstall(_ place: (perMille: Int, bit: Int)) {
        checker.reached(.crashBeforeInstall)
        crash(losingPower: false)
        rot(Self.newestSnapshot, perMille: place.perMille, bit: place.bit)
        start()
    }
}
