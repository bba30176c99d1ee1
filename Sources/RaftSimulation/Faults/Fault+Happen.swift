internal import Raft

extension Fault {
    /// Lets it happen. One that does not fit the moment (a crash of a node that is down) does nothing.
    func happen(to nodes: [SimulatedNode], on network: SimulatedNetwork) {
        func node(_ id: NodeID) -> SimulatedNode? { nodes.first { $0.id == id } }
        switch self {
        case .crash(let id, let losingPower, let changes):
            node(id)?.crash(losingPower: losingPower, afterChanges: changes)
        case .crashAtName(let id, let count, let nanoseconds):
            node(id)?.crash(atName: count, powerAfter: nanoseconds)
        case .blackout: for node in nodes { node.crash(losingPower: true) }
        case .start(let id): node(id)?.start()
        case .pause(let id, let nanoseconds): node(id)?.pause(nanoseconds: nanoseconds)
        case .cut(let pairs): network.setCut(Set(pairs))
        case .cutAtEndOfChange(let id, let pairs): node(id)?.cut(atEndOfChange: pairs)
        case .clog(let pairs, let nanoseconds): network.clog(pairs, nanoseconds: nanoseconds)
        case .transfer(let id, let target): node(id)?.node?.transferLeadership(to: target)
        case .failWrite(let id): node(id)?.failNext(.write)
        case .failSync(let id): node(id)?.failNext(.sync)
        case .fillDisk(let id, let bytes): node(id)?.fillDisk(leaving: bytes)
        case .freeDisk(let id): node(id)?.freeDisk()
        case .slowDisk(let id, let range): node(id)?.slowDisk(range)
        case .hangDisk(let id, let nanoseconds): node(id)?.hangDisk(nanoseconds: nanoseconds)
        case .hangReads(let id, let nanoseconds): node(id)?.hangReads(nanoseconds: nanoseconds)
        case .hangMachine(let id, let nanoseconds): node(id)?.hangMachine(nanoseconds: nanoseconds)
        case .rot(let id, let file, let perMille, let bit): node(id)?.rot(file, perMille: perMille, bit: bit)
        case .loseDisk(let id): node(id)?.loseDisk()
        case .failMachine(let id): node(id)?.failMachine()
        case .drift(let id, let millionths): node(id)?.clock.drift(partsPerMillion: millionths)
        case .changeMembers(let id, let request, let guarding): node(id)?.ask(request, guardedBy: guarding)
        case .addAnew(let id, let asked):
            guard let gone = node(id), gone.beginAnew() else { return }
            node(asked)?.ask(.add(id, address: "simulated:\(id)"))
        case .crashAtInstall(let id, let perMille, let bit): node(id)?.crash(atInstallDamaging: (perMille, bit))
        case .snapshot(let id): node(id)?.node?.triggerSnapshot(completion: { _ in })
        case .pushSnapshot(let id): node(id)?.node?.pushSnapshot(to: nil, completion: { _ in })
        }
    }
}
