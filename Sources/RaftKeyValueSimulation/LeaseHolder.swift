internal import Raft
internal import RaftClient
internal import RaftKeyValue
internal import RaftKeyValueModel

/// A client that takes leases, puts keys with them, keeps them alive for a while, and lets them go in one way or another.
final class LeaseHolder: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    private let number: Int
    private let client: KeyValueClient
    private let truth: Truth
    private let profile: KeyValueProfile
    private let crew: Crew
    private var random: RandomSource
    private var serial = 0

    init(
        _ number: Int, client: KeyValueClient, truth: Truth, profile: KeyValueProfile, crew: Crew, seed: UInt64
    ) {
        self.number = number
        self.client = client
        self.truth = truth
        self.profile = profile
        self.crew = crew
        random = RandomSource(seed: seed)
    }

    func run() async {
        while !crew.isResting {
            guard await pause(random.next() % 500) else { return }
            guard let lease = await grant() else { continue }
            await put(lease)
            guard await keep(lease) else { return }
        }
    }

    private func pause(_ milliseconds: UInt64) async -> Bool {
        do { try await client.clock.pause(.milliseconds(Int64(milliseconds))) } catch { return false }
        return !crew.isResting
    }

    private struct Lease {
        var id: UInt64
        var milliseconds: UInt64
    }

    private func grant() async -> Lease? {
        let times = profile.leaseTimes
        let milliseconds = times.lowerBound + random.next() % (times.upperBound - times.lowerBound + 1)
        let called = truth.now
        let floor = truth.acknowledged
        do throws(RaftClientError) {
            let id = try await client.grantLease(for: .milliseconds(Int64(milliseconds)))
            crew.acknowledgedCount += 1
            truth.tally.met(.leaseGranted)
            truth.answered(.grant(milliseconds: milliseconds), after: floor, told: "\(id)") {
                $0 == .granted(lease: id)
            }
            if let text = truth.leases.kept(id, calledAt: called) { truth.fail("I29", text) }
            crew.granted(id)
            return Lease(id: id, milliseconds: milliseconds)
        } catch {
            if error.outcome == .unknown { crew.unknownCount += 1 }
            return nil
        }
    }

    private func put(_ lease: Lease) async {
        serial += 1
        let key = random.next() % 3 == 0 ? profile.key(0) : profile.held(number, serial % 2)
        let value = Array("held \(number).\(serial)".utf8)
        let transaction = KeyValueTransaction(then: [.put(key: key, value: value, lease: lease.id)])
        let command = KeyValueCommand.transaction(transaction)
        truth.makesOnce(command)
        let floor = truth.acknowledged
        do throws(RaftClientError) {
            let revision = try await client.put(key, value, lease: lease.id)
            crew.acknowledgedCount += 1
            truth.answered(command, after: floor, told: "\(revision)") {
                guard case .transaction(let result) = $0 else { return false }
                return result.revision == revision
            }
        } catch {
            if error.outcome == .nothingHappened { truth.denied(command) } else { crew.unknownCount += 1 }
        }
    }

    /// - Returns: false when there is no more to do.
    private func keep(_ lease: Lease) async -> Bool {
        for _ in 0..<(1 + random.next() % 12) {
            // Most often as one should, and now and then too late.
            let third = lease.milliseconds / 3
            let wait = random.next() % 8 == 0 ? lease.milliseconds + random.next() % third : third
            guard await pause(wait) else { return false }
            let called = truth.now
            let term = truth.term
            do throws(RaftClientError) {
                let life = try await client.keepLeaseAlive(lease.id)
                crew.readCount += 1
                truth.advance()
                if let life {
                    truth.tally.met(.leaseKept)
                    if truth.leases.term(lease.id).map({ $0 < term }) ?? false {
                        truth.tally.met(.leaseKeptOverLeaderChange)
                    }
                    if life != .milliseconds(Int64(lease.milliseconds)) {
                        truth.fail("I29", "lease \(lease.id) of \(lease.milliseconds) ms is said to live for \(life)")
                    }
                    if let text = truth.leases.kept(lease.id, calledAt: called) { truth.fail("I29", text) }
                } else {
                    truth.tally.met(.leaseGoneWhenKept)
                    if let text = truth.leases.denied(lease.id, at: truth.now) { truth.fail("I29", text) }
                    return true
                }
            } catch {}
        }
        if random.next() % 2 == 0 { await revoke(lease) }
        return !crew.isResting
    }

    private func revoke(_ lease: Lease) async {
        truth.leases.revokes(lease.id)
        let floor = truth.acknowledged
        do throws(RaftClientError) {
            let count = try await client.revokeLease(lease.id)
            crew.acknowledgedCount += 1
            if count != nil { truth.tally.met(.revokeAnswered) }
            truth.answered(.revoke(lease: lease.id), after: floor, told: "\(String(describing: count)) keys") {
                $0 == .revoked(wasThere: count != nil, keyCount: count ?? 0)
            }
        } catch { crew.unknownCount += error.outcome == .unknown ? 1 : 0 }
    }
}
