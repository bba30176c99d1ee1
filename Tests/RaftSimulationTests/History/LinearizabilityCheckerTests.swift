import Raft
import RaftSimulation
import TestTraits
import Testing

/// One call on key `k`, in few letters.
private func call(
    _ kind: HistoryOperation.Kind, _ from: Int64, _ result: HistoryOperation.Result? = nil, _ to: Int64? = nil,
    client: UInt64 = 1, key: String = "k"
) -> HistoryOperation {
    var operation = HistoryOperation(client: client, key: key, kind: kind, callNanoseconds: from)
    if let result, let to { operation.finish(result, at: to) }
    return operation
}

private func isLinearizable(_ operations: HistoryOperation...) -> Bool {
    LinearizabilityChecker().check(operations) == .linearizable
}

@Suite("The linearizability checker", .heavy)
struct LinearizabilityCheckerTests {
    @Test("An empty history, one without answers, and one with equal calls are linearizable")
    func trivial() {
        #expect(isLinearizable())
        #expect(isLinearizable(call(.put("a"), 0), call(.get, 0), call(.append("x"), 3)))
        #expect(isLinearizable(call(.get, 0, .value(nil), 0), call(.get, 0, .value(nil), 0)))
    }

    @Test("A read sees the last write that was answered before it began")
    func reads() {
        let writes = [call(.put("a"), 0, .done, 1), call(.put("b"), 2, .done, 3)]
        func check(_ read: HistoryOperation) -> Bool {
            LinearizabilityChecker().check(writes + [read]) == .linearizable
        }
        #expect(check(call(.get, 4, .value("b"), 5)))
        #expect(!check(call(.get, 4, .value("a"), 5)))
        #expect(!check(call(.get, 4, .value(nil), 5)))
        #expect(!check(call(.get, 4, .value("c"), 5)))
        // One that overlaps the second write may see either.
        #expect(check(call(.get, 2, .value("a"), 5)))
        #expect(check(call(.get, 2, .value("b"), 5)))
        #expect(!check(call(.get, 2, .value(nil), 5)))
    }

    @Test("An answer and a call of the same moment overlap")
    func ties() {
        #expect(isLinearizable(call(.put("a"), 0, .done, 5), call(.get, 5, .value(nil), 6)))
        #expect(isLinearizable(call(.put("a"), 0, .done, 5), call(.get, 5, .value("a"), 6)))
        #expect(!isLinearizable(call(.put("a"), 0, .done, 5), call(.get, 6, .value(nil), 6)))
        #expect(isLinearizable(call(.get, 0, .value("a"), 5), call(.put("a"), 5, .done, 6)))
        #expect(!isLinearizable(call(.get, 0, .value("a"), 5), call(.put("a"), 6, .done, 6)))
    }

    @Test("An unknown write may take effect at any time after its call or never, but not before, and only once")
    func unknown() {
        let write = call(.put("a"), 2)
        #expect(isLinearizable(write, call(.get, 3, .value(nil), 4), call(.get, 90, .value("a"), 99)))
        #expect(isLinearizable(write, call(.get, 3, .value("a"), 4), call(.get, 5, .value("a"), 6)))
        #expect(!isLinearizable(write, call(.get, 3, .value("a"), 4), call(.get, 5, .value(nil), 6)))
        #expect(!isLinearizable(write, call(.get, 0, .value("a"), 1)))
        let other = call(.put("b"), 5, .done, 6)
        #expect(
            !isLinearizable(
                write, call(.get, 3, .value("a"), 4), other, call(.get, 7, .value("b"), 8),
                call(.get, 9, .value("a"), 10)))
        #expect(
            isLinearizable(
                write, call(.get, 3, .value(nil), 4), other, call(.get, 7, .value("b"), 8),
                call(.get, 9, .value("a"), 10)))
    }

    @Test("A compare-and-swap tells the truth about what it found")
    func swaps() {
        let put = call(.put("a"), 0, .done, 1)
        #expect(isLinearizable(put, call(.compareAndSwap(expected: "a", new: "b"), 2, .swapped(true), 3)))
        #expect(!isLinearizable(put, call(.compareAndSwap(expected: "a", new: "b"), 2, .swapped(false), 3)))
        #expect(!isLinearizable(put, call(.compareAndSwap(expected: nil, new: "b"), 2, .swapped(true), 3)))
        #expect(isLinearizable(call(.compareAndSwap(expected: nil, new: "b"), 2, .swapped(true), 3)))
        // Two that take the same value: one of them lies.
        let first = call(.compareAndSwap(expected: "a", new: "b"), 2, .swapped(true), 9, client: 1)
        let second = call(.compareAndSwap(expected: "a", new: "c"), 2, .swapped(true), 9, client: 2)
        #expect(!isLinearizable(put, first, second))
        #expect(isLinearizable(put, first, second, call(.put("a"), 4)))
        // One that fails needs something else in its way, which may be a write that nobody was told of.
        let failed = call(.compareAndSwap(expected: "a", new: "b"), 4, .swapped(false), 5)
        #expect(!isLinearizable(put, failed))
        #expect(isLinearizable(put, call(.put("c"), 2), failed))
    }

    @Test("Text grows by every append that was answered, once each, in one order")
    func appends() {
        let (x, y) = (call(.append("x"), 0, .done, 9, client: 1), call(.append("y"), 0, .done, 9, client: 2))
        func reads(_ values: String?...) -> [HistoryOperation] {
            values.enumerated().map { call(.get, 10 + 2 * Int64($0), .value($1), 11 + 2 * Int64($0)) }
        }
        func check(_ operations: [HistoryOperation]) -> Bool {
            LinearizabilityChecker().check(operations) == .linearizable
        }
        #expect(check([x, y] + reads("xy", "xy")))
        #expect(check([x, y] + reads("yx")))
        #expect(!check([x, y] + reads("xy", "yx")))
        #expect(!check([x, y] + reads("x")))
        #expect(!check([x, y] + reads("xyx")))
        #expect(check([x, y, call(.append("x"), 0)] + reads("xy", "xyx")))
        #expect(check([x, y, call(.put("z"), 0)] + reads("xy", "z")))
    }

    @Test("Values are compared byte by byte: two spellings of one accented letter are two values")
    func spelling() {
        let put = call(.put("\u{E9}"), 0, .done, 1)
        #expect(!isLinearizable(put, call(.get, 2, .value("e\u{301}"), 3)))
        let other = call(.get, 2, .value(nil), 3, key: "e\u{301}")
        #expect(isLinearizable(call(.put("a"), 0, .done, 1, key: "\u{E9}"), other))
    }

    @Test("It agrees with trying every order, on histories of few calls and few values")
    func agrees() {
        var random = RandomSource(seed: 7)
        var good = 0
        for round in 0..<12_000 {
            let history: [HistoryOperation]
            if round % 2 == 0 {
                history = Self.arbitrary(&random)
            } else {
                var generator = GeneratedHistory()
                generator.count = 2 + Int(random.next() % 6)
                generator.keys = round % 10 == 1 ? ["k", "l"] : ["k"]
                generator.unknownOneIn = 1 + random.next() % 5
                generator.valueCount = random.next() % 2 == 0 ? nil : 2
                if round % 4 == 1 { generator.kinds = [.put, .get, .swap] }
                let fault = GeneratedHistory.Fault.allCases.randomElement(using: &random)
                guard let made = generator.make(&random, fault: fault) else { continue }
                history = made
            }
            let expected = EveryOrder.explains(history)
            good += expected ? 1 : 0
            let verdict = LinearizabilityChecker().check(history)
            #expect((verdict == .linearizable) == expected, "\(HistoryFormat.text(history))")
            if case .undecided = verdict { Issue.record("undecided: \(HistoryFormat.text(history))") }
        }
        #expect((2000...10_000).contains(good), "\(good) good ones: the test looks at one side only")
    }

    /// Calls whose answers mean nothing, but are often right: of few values at few moments.
    private static func arbitrary(_ random: inout RandomSource) -> [HistoryOperation] {
        let values: [String?] = [nil, "a", "b", "ab"]
        let hasAppends = random.next() % 2 == 0
        let unknownOneIn = 2 + random.next() % 4
        return (0..<(1 + random.next() % 7)).map { number in
            func value() -> String? { values[Int(random.next() % (hasAppends ? 4 : 3))] }
            let kind: HistoryOperation.Kind
            let result: HistoryOperation.Result
            switch random.next() % (hasAppends ? 8 : 7) {
            case 0, 1: (kind, result) = (.put(value() ?? "a"), .done)
            case 2, 3: (kind, result) = (.get, .value(value()))
            case 4:
                (kind, result) = (.compareAndSwap(expected: value(), new: value() ?? "b"), .swapped(false))
            case 5, 6:
                (kind, result) = (.compareAndSwap(expected: value(), new: value() ?? "b"), .swapped(true))
            default: (kind, result) = (.append(random.next() % 2 == 0 ? "a" : "b"), .done)
            }
            let start = Int64(random.next() % 12)
            let operation = HistoryOperation(client: number, key: "k", kind: kind, callNanoseconds: start)
            if random.next() % unknownOneIn == 0 { return operation }
            return operation.finished(result, at: start + Int64(random.next() % 8))
        }
    }

    @Test("It accepts two hundred histories of a register that works")
    func accepts() {
        var random = RandomSource(seed: 21)
        for round in 0..<200 {
            var generator = GeneratedHistory()
            generator.clientCount = 2 + random.next() % 12
            generator.count = 50 + Int(random.next() % 350)
            generator.keys = (0...random.next() % 4).map { "k\($0)" }
            generator.unknownOneIn = round % 4 == 0 ? 0 : 4 + random.next() % 30
            generator.valueCount = round % 3 == 0 ? 3 : nil
            if round % 2 == 0 { generator.kinds = [.put, .get, .get, .swap] }
            let history = generator.make(&random)!
            let checker = LinearizabilityChecker(maximumStepCount: 200_000)
            #expect(checker.check(history) == .linearizable, "round \(round)")
        }
    }

    @Test(
        "It finds each fault of a register in a few calls among many others", arguments: GeneratedHistory.Fault.allCases
    )
    func rejects(_ fault: GeneratedHistory.Fault) {
        var random = RandomSource(seed: 40)
        var found = 0
        var tries = 0
        while found < 25, tries < 20_000 {
            tries += 1
            var generator = GeneratedHistory()
            generator.keys = ["bad"]
            generator.unknownOneIn = fault == .flicker ? 3 : 6
            // Not every fault shows: only those that no order explains count.
            guard let bad = generator.make(&random, fault: fault), !EveryOrder.explains(bad) else { continue }
            found += 1
            generator.keys = ["x", "y", "z"]
            generator.count = 150
            let history = (bad + generator.make(&random)!).shuffled(using: &random)
            guard case .notLinearizable("bad", let explanation) = LinearizabilityChecker().check(history) else {
                Issue.record("accepted:\n\(HistoryFormat.text(bad))")
                continue
            }
            #expect(explanation.split(separator: "\n").count >= 2)
        }
        #expect(found == 25)
    }

    @Test("It finds a stale read at the end of a long history of one key", arguments: [2, 8] as [UInt64])
    func longHistory(clientCount: UInt64) {
        var random = RandomSource(seed: 5)
        var generator = GeneratedHistory()
        generator.clientCount = clientCount
        generator.count = 600
        generator.kinds = [.put, .get, .get, .swap]
        generator.unknownOneIn = 25
        let history = generator.make(&random)!
        #expect(LinearizabilityChecker().check(history) == .linearizable)
        let end = history.map { $0.returnNanoseconds ?? 0 }.max()!
        let bad = [
            call(.put("one"), end + 1, .done, end + 2), call(.put("two"), end + 3, .done, end + 4),
            call(.get, end + 5, .value("one"), end + 6, client: 9),
        ]
        guard case .notLinearizable("k", let explanation) = LinearizabilityChecker().check(history + bad) else {
            Issue.record("accepted")
            return
        }
        #expect(explanation.contains("explains the answer to: client 9: get → \"one\""))
        #expect(explanation.split(separator: "\n").count == 4, "\(explanation)")
    }

    @Test("Many unknown writes of one key cost no more than they must")
    func manyUnknown() {
        var operations: [HistoryOperation] = []
        for number in 0..<60 as Range<Int64> {
            operations.append(call(.put("u\(number)"), number, client: UInt64(number)))
            operations.append(call(.compareAndSwap(expected: "u\(number)", new: "s\(number)"), number, client: 99))
        }
        // Every third is found later, one after another.
        for (step, number) in stride(from: 0, to: 60, by: 3).enumerated() {
            operations.append(call(.get, 100 + 2 * Int64(step), .value("u\(number)"), 101 + 2 * Int64(step)))
        }
        var checker = LinearizabilityChecker(maximumStepCount: 20_000)
        #expect(checker.check(operations) == .linearizable)
        // A swap of a value that was gone before.
        operations.append(call(.get, 200, .value("s0"), 201))
        operations.append(call(.get, 202, .value("u3"), 203))
        guard case .notLinearizable = checker.check(operations) else {
            Issue.record("\(checker.check(operations))")
            return
        }
        checker.maximumStepCount = 3
        #expect(checker.check(operations) == .undecided(key: "k"))
    }

    @Test("Twenty puts at once, each found once in another order, are put in that order")
    func manyAtOnce() {
        let puts = (0..<20 as Range<UInt64>).map { call(.put("v\($0)"), 0, .done, 1000, client: $0) }
        let gets = (0..<20 as Range<Int64>).map { number in
            call(.get, 10 + 2 * number, .value("v\(number * 7 % 20)"), 11 + 2 * number, client: 99)
        }
        let checker = LinearizabilityChecker(maximumStepCount: 5000)
        #expect(checker.check(puts + gets) == .linearizable)
        let again = call(.get, 100, .value("v7"), 101, client: 99)
        guard case .notLinearizable = checker.check(puts + gets + [again]) else {
            Issue.record("\(checker.check(puts + gets + [again]))")
            return
        }
    }

    @Test("Ten thousand calls of twenty clients on ten keys")
    func tenThousand() {
        var random = RandomSource(seed: 77)
        var generator = GeneratedHistory()
        generator.clientCount = 20
        generator.count = 10_000
        generator.keys = (0..<10).map { "key-\($0)" }
        generator.kinds = [.put, .get, .get, .swap]
        generator.unknownOneIn = 100
        #expect(LinearizabilityChecker(maximumStepCount: 100_000).check(generator.make(&random)!) == .linearizable)
    }

    @Test("An explanation is the answer that cannot be and the calls that show it, one a line")
    func explanation() {
        let history = [
            call(.put("x"), 0, .done, 1, client: 4), call(.get, 2, .value("x"), 3, client: 5),
            call(.put("old"), 10, .done, 11, client: 1), call(.put("new"), 12, .done, 13, client: 2),
            call(.get, 12, .value("old"), 14, client: 4), call(.get, 20, .value("old"), 21, client: 3),
            call(.get, 30, .value("new"), 31, client: 3), call(.put("z"), 5, client: 6),
        ]
        let text = """
            no order of these calls explains the answer to: client 3: get → "old", 20…21 ns
              client 1: put "old" → ok, 10…11 ns
              client 2: put "new" → ok, 12…13 ns
              client 3: get → "old", 20…21 ns
            """
        #expect(LinearizabilityChecker().check(history) == .notLinearizable(key: "k", explanation: text))
    }
}
