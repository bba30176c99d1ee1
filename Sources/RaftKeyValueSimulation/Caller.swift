internal import Raft
internal import RaftClient
internal import RaftKeyValue
internal import RaftKeyValueModel

/// A client that changes and reads keys, one call after the other.
final class Caller: @unchecked Sendable {
    // @unchecked: as the scheduler of the simulation.
    private let number: Int
    private let client: KeyValueClient
    private let truth: Truth
    private let profile: KeyValueProfile
    private var random: RandomSource
    private let crew: Crew
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

    private func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    private func key() -> [UInt8] { profile.key(pick(profile.keyCount)) }
    private func value() -> [UInt8] {
        serial += 1
        return Array("\(number).\(serial)".utf8)
    }
    private func range() -> KeyRange { profile.range(random.next()) }

    func run() async {
        while !crew.isResting {
            let span = UInt64(profile.pause.upperBound - profile.pause.lowerBound)
            var pause = profile.pause.lowerBound + Int64(random.next() % span)
            if pick(40) == 0 { pause += 3_000_000_000 }
            do { try await client.clock.pause(.nanoseconds(pause)) } catch { return }
            guard !crew.isResting else { return }
            await call()
        }
    }

    private func call() async {
        switch pick(100) {
        case 0..<18: await put()
        case 18..<24: await delete()
        case 24..<32: await swap()
        case 32..<58: await transact()
        case 58..<63: await deleteRange()
        case 63..<68: await exchange()
        case 68..<82: await get()
        case 82..<89: await readRange()
        case 89, 90: await listLeases()
        case 91..<96: await readTransaction()
        default: await compact()
        }
    }

    // MARK: Writes

    /// - Parameters:
    ///   - isOnce: no other command is equal to it.
    ///   - mark: what an answer is counted as.
    private func write<Value>(
        _ command: KeyValueCommand, isOnce: Bool = true, _ body: () async throws(RaftClientError) -> Value,
        _ isAnswer: (Value, KeyValueOutput) -> Bool, counting mark: (Value) -> KeyValueTally.Event? = { _ in nil }
    ) async {
        if isOnce { truth.makesOnce(command) }
        let floor = truth.acknowledged
        do throws(RaftClientError) {
            let value = try await body()
            crew.acknowledgedCount += 1
            if let event = mark(value) { truth.tally.met(event) }
            truth.answered(command, after: floor, told: "\(value)") { isAnswer(value, $0) }
        } catch {
            if error.code == .refused { truth.tally.met(.transactionRefused) }
            if error.outcome == .nothingHappened { truth.denied(command) } else { crew.unknownCount += 1 }
        }
    }

    func put() async {
        let (key, value) = (key(), value())
        await write(.put(key: key, value: value)) { () async throws(RaftClientError) in
            try await client.put(key, value)
        } _: {
            $1 == .done(revision: $0.revision, previous: $0.previousRevision)
        }
    }

    private func delete() async {
        let key = key()
        await write(.delete(key: key), isOnce: false) { () async throws(RaftClientError) in
            try await client.delete(key)
        } _: { result, output in
            output
                == (result.revision.map { .done(revision: $0, previous: result.previousRevision) }
                    ?? .unchanged(current: result.previousRevision))
        }
    }

    private func swap() async {
        let (key, value) = (key(), value())
        let known = truth.store.entry(key, at: truth.acknowledged)
        let (told, asked): (KeyValueCommand.Expectation, KeyExpectation) =
            switch (known, pick(3)) {
            case (let known?, 0): (.value(known.value), .value(known.value))
            case (let known?, 1): (.revision(known.revision), .revision(known.revision))
            default: (.absent, .absent)
            }
        await write(.compareAndSwap(key: key, expectation: told, value: value)) { () async throws(RaftClientError) in
            try await client.compareAndSwap(key, expecting: asked, value)
        } _: { result, output in
            output
                == (result.revision.map { .done(revision: $0, previous: result.previousRevision) }
                    ?? .unchanged(current: result.previousRevision))
        } counting: {
            $0.revision == nil ? .swapFailed : .swapDone
        }
    }

    private func comparison() -> KeyValueTransaction.Comparison {
        let key = key()
        let known = truth.store.entry(key, at: truth.acknowledged)
        let relation = KeyValueTransaction.Comparison.Relation.allCases[pick(4)]
        let property: KeyValueTransaction.Comparison.Property =
            switch pick(4) {
            case 0: .value(known?.value ?? [])
            case 1: .revision(known?.revision ?? 0)
            case 2: .created(known?.created ?? 0)
            default: .version(known?.version ?? 0)
            }
        return .init(key: key, property: property, relation: relation)
    }

    private func operations() -> [KeyValueTransaction.Operation] {
        var operations: [KeyValueTransaction.Operation] = []
        var taken: [[UInt8]] = []
        for _ in 0..<(1 + pick(3)) {
            switch pick(6) {
            case 0, 1, 2:
                let key = key()
                // One list changes no key twice.
                if taken.contains(key) { continue }
                taken.append(key)
                let lease = pick(4) == 0 ? crew.someLease(random.next()) : nil
                operations.append(.put(key: key, value: value(), returnsPrevious: pick(2) == 0, lease: lease))
            case 3:
                let key = key()
                if taken.contains(key) { continue }
                taken.append(key)
                operations.append(.delete(key, returnsPrevious: pick(2) == 0))
            default: operations.append(.range(range(), limit: UInt32(pick(3))))
            }
        }
        return operations
    }

    private func transact() async {
        // A write of its own, so that it is like no other one.
        let mark = KeyValueTransaction.Operation.put(key: profile.mark(number), value: value())
        let transaction = KeyValueTransaction(
            if: (0..<pick(3)).map { _ in comparison() }, then: operations() + [mark], else: operations() + [mark])
        await write(.transaction(transaction)) { () async throws(RaftClientError) in
            try await client.txn(transaction)
        } _: { result, output in
            output == .transaction(result)
        } counting: {
            $0.succeeded ? .transactionSucceeded : .transactionElse
        }
    }

    private func deleteRange() async {
        let range = range()
        let returns = pick(2) == 0
        let transaction = KeyValueTransaction(then: [.delete(range, returnsPrevious: returns)])
        await write(.transaction(transaction), isOnce: false) { () async throws(RaftClientError) in
            try await client.delete(range, returningPrevious: returns)
        } _: { result, output in
            let done = OperationResult.deleted(count: result.count, previous: result.previous)
            return output
                == .transaction(TransactionResult(succeeded: true, revision: result.revision, results: [done]))
        } counting: {
            $0.count > 0 ? .rangeDeleted : nil
        }
    }

    private func exchange() async {
        let (key, value) = (key(), value())
        let put = KeyValueTransaction(then: [.put(key: key, value: value, returnsPrevious: true)])
        await write(.transaction(put)) { () async throws(RaftClientError) in
            try await client.exchange(key, value)
        } _: { result, output in
            output
                == .transaction(
                    TransactionResult(
                        succeeded: true, revision: result.result.revision,
                        results: [.put(previous: result.previous)]))
        } counting: {
            $0.previous == nil ? nil : .putWithPrevious
        }
    }

    private func compact() async {
        let through = truth.acknowledged - min(truth.acknowledged, random.next() % 40)
        do throws(RaftClientError) {
            let told = try await client.compact(through: through)
            crew.acknowledgedCount += 1
            truth.advance()
            if told < through, truth.store.last > through {
                truth.fail("I27", "the history through \(through) was to go, and is said to have gone through \(told)")
            }
        } catch { crew.unknownCount += error.outcome == .unknown ? 1 : 0 }
    }

    // MARK: Reads

    private func consistency() -> Consistency {
        switch pick(10) {
        case 0..<6: .linearizable
        case 6, 7: .lease
        case 8: .local
        default: .atLeast(revision: truth.acknowledged)
        }
    }

    private func read<Value>(
        _ consistency: Consistency, _ mark: KeyValueTally.Event, _ body: () async throws(RaftClientError) -> Value,
        _ what: (Value) -> String, _ isAnswer: (Value, UInt64) -> Bool
    ) async {
        let floor = truth.acknowledged
        do throws(RaftClientError) {
            let value = try await body()
            crew.readCount += 1
            truth.tally.met(mark)
            truth.answered(
                readAfter: floor, isLinearizable: consistency != .local, what: what(value)
            ) { isAnswer(value, $0) }
        } catch {}
    }

    func get() async {
        let (key, consistency) = (key(), consistency())
        let mark: KeyValueTally.Event =
            switch consistency {
            case .linearizable: .getLinearizable
            case .lease: .getByLease
            case .atLeast: .getAtLeast
            default: .getLocal
            }
        await read(consistency, mark) { () async throws(RaftClientError) in
            try await client.get(key, consistency)
        } _: {
            $0.map { Truth.text($0) } ?? "\(Truth.text(key)) absent"
        } _: { [truth] found, moment in
            truth.store.entry(key, at: moment) == found
        }
    }

    private func readRange() async {
        let (range, consistency) = (range(), consistency())
        await read(consistency, .readOfRange) { () async throws(RaftClientError) in
            try await client.range(from: range.from, upTo: range.upTo, consistency)
        } _: {
            "\($0.entries.map { Truth.text($0) })"
        } _: { [truth] page, moment in
            truth.store.entries(in: range, at: moment) == page.entries
        }
    }

    private func listLeases() async {
        await read(.linearizable, .leasesListed) { () async throws(RaftClientError) in
            try await client.leases()
        } _: {
            "\($0)"
        } _: { [truth] leases, moment in
            truth.store.leases(at: moment) == leases
        }
    }

    private func readTransaction() async {
        let transaction = KeyValueTransaction(
            if: [comparison(), comparison()], then: [.range(range()), .get(key())],
            else: [.range(range(), limit: 1)])
        await read(.linearizable, .transactionOfReads) { () async throws(RaftClientError) in
            try await client.txn(transaction)
        } _: {
            "\($0)"
        } _: { [truth] result, moment in
            truth.store.read(transaction, at: moment) == result
        }
    }
}
