import Raft
import RaftSimulation

/// Histories of a register that works, or that has one fault.
struct GeneratedHistory {
    /// What the register, or whoever wrote its answers down, does wrong once.
    enum Fault: CaseIterable {
        case staleRead, valueFromNowhere, readBeforeWrite, lostPut, lostAppend, doubledAppend, falseSwap, flicker
    }

    var clientCount: UInt64 = 3
    var count = 8
    var keys = ["k"]
    /// One in so many calls stays unknown; 0 for none.
    var unknownOneIn: UInt64 = 5
    /// How many different values are written; nil for one of its own for each write.
    var valueCount: UInt64?
    var kinds: [Choice] = [.put, .get, .get, .swap, .append]
    enum Choice { case put, get, swap, append }

    /// One call before its answer is known: when it is made, takes effect and ends.
    private struct Planned {
        var client: UInt64
        var key: String
        var choice: Choice
        var call: Int64
        var point: Int64?
        var end: Int64?
    }

    /// - Returns: nil if the fault found no place in this history.
    func make(_ random: inout RandomSource, fault: Fault? = nil) -> [HistoryOperation]? {
        var planned = plan(&random)
        planned.sort { ($0.point ?? .max, $0.call) < ($1.point ?? .max, $1.call) }
        let chosen = fault == nil ? nil : Int(random.next() % UInt64(planned.count))
        var isFaulty = false
        var register: [String: String] = [:]
        var past: [String: [String?]] = [:]
        var flicker: (key: String, state: String?)?
        var operations: [HistoryOperation] = []
        for (position, call) in planned.enumerated() {
            let state = register[call.key]
            let isBad = !isFaulty && chosen.map { position >= $0 } == true
            let text = valueCount.map { "v\(random.next() % $0)" } ?? "v\(position)"
            let kind: HistoryOperation.Kind
            let result: HistoryOperation.Result
            var after = state
            switch call.choice {
            case .get:
                kind = .get
                var found = state
                if isBad, fault == .valueFromNowhere { found = "nowhere" }
                if isBad, fault == .staleRead { found = past[call.key, default: []].dropLast().last ?? state }
                // The value that a later call is going to write.
                if isBad, fault == .readBeforeWrite, valueCount == nil { found = "v\(position + 1)" }
                isFaulty = isFaulty || found != state
                result = .value(found)
                if let before = flicker, before.key == call.key, found == state { after = before.state }
            case .put:
                kind = .put(text)
                result = .done
                after = text
                if isBad, fault == .lostPut {
                    after = state
                    isFaulty = true
                }
            case .append:
                kind = .append(text)
                result = .done
                after = (state ?? "") + text
                if isBad, fault == .lostAppend {
                    after = state
                    isFaulty = true
                }
                if isBad, fault == .doubledAppend {
                    after = (state ?? "") + text + text
                    isFaulty = true
                }
            case .swap:
                let known = past[call.key, default: []]
                let guess = known.isEmpty ? nil : known[Int(random.next() % UInt64(known.count))]
                let expected = random.next() % 2 == 0 ? state : guess
                kind = .compareAndSwap(expected: expected, new: text)
                var isSwapped = expected == state
                if isBad, fault == .falseSwap, !isSwapped, call.end != nil {
                    isSwapped = true
                    isFaulty = true
                }
                result = .swapped(isSwapped)
                if isSwapped { after = text }
            }
            if isBad, fault == .flicker, call.end == nil, call.point != nil, after != state {
                flicker = (call.key, state)
                isFaulty = true
            } else if flicker?.key == call.key {
                // Seen once, or written over: what flickered is gone.
                flicker = nil
            }
            if call.point != nil {
                register[call.key] = after
                past[call.key, default: []].append(after)
            }
            var operation = HistoryOperation(
                client: call.client, key: call.key, kind: kind, callNanoseconds: call.call)
            if let end = call.end { operation.finish(result, at: end) }
            operations.append(operation)
        }
        guard fault == nil || isFaulty else { return nil }
        return operations.shuffled(using: &random)
    }

    private func plan(_ random: inout RandomSource) -> [Planned] {
        var clocks = [Int64](repeating: 0, count: Int(clientCount))
        return (0..<count).map { _ in
            let client = random.next() % clientCount
            let call = clocks[Int(client)] + Int64(random.next() % 10)
            var planned = Planned(
                client: client, key: keys[Int(random.next() % UInt64(keys.count))],
                choice: kinds[Int(random.next() % UInt64(kinds.count))], call: call)
            if unknownOneIn > 0, random.next() % unknownOneIn == 0 {
                // It may take effect long after everybody has stopped waiting for it.
                if random.next() % 2 == 0 { planned.point = call + Int64(random.next() % 60) }
                clocks[Int(client)] = call + 15
            } else {
                let point = call + Int64(random.next() % 10)
                planned.point = point
                planned.end = point + Int64(random.next() % 10)
                clocks[Int(client)] = planned.end!
            }
            return planned
        }
    }
}

/// Tries every order: too slow for anything but a few calls, and too simple to be wrong.
enum EveryOrder {
    static func explains(_ operations: [HistoryOperation]) -> Bool {
        explains(operations[...].map { $0 }, [:])
    }

    private static func explains(_ left: [HistoryOperation], _ register: [String: String]) -> Bool {
        if left.allSatisfy({ $0.returnNanoseconds == nil }) { return true }
        for (position, operation) in left.enumerated() {
            let isNext = left.allSatisfy { ($0.returnNanoseconds ?? .max) >= operation.callNanoseconds }
            guard isNext, let after = apply(operation, register) else { continue }
            var rest = left
            rest.remove(at: position)
            if explains(rest, after) { return true }
        }
        return false
    }

    private static func apply(_ operation: HistoryOperation, _ register: [String: String]) -> [String: String]? {
        var register = register
        let state = register[operation.key]
        let result: HistoryOperation.Result
        switch operation.kind {
        case .get: result = .value(state)
        case .put(let value):
            register[operation.key] = value
            result = .done
        case .append(let text):
            register[operation.key] = (state ?? "") + text
            result = .done
        case .compareAndSwap(let expected, let new):
            if state == expected { register[operation.key] = new }
            result = .swapped(state == expected)
        }
        return operation.result == nil || operation.result == result ? register : nil
    }
}
