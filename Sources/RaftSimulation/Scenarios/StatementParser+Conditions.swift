internal import Raft

// What must be so.

extension StatementParser {
    mutating func expectation() throws(Failure) -> Statement {
        if let answer = try expectedAnswer() { return .expectAnswer(answer) }
        let isPatient = beginsWithCallName && words.dropFirst().first != "leads"
        let condition = try condition()
        if take("for") { return .throughout(try duration(), condition) }
        switch condition {
        case .call(_, .pending): return .expect(condition)
        case .refused: return .within(.seconds(5), condition)
        case .call, .answersAs, .fails: return isPatient ? .within(.seconds(5), condition) : .expect(condition)
        default: return .expect(condition)
        }
    }

    mutating func expectedAnswer() throws(Failure) -> ExpectedAnswer? {
        if take("granted") { return .granted }
        if take("refused") { return .refused(takePhrase("in term") ? try term() : nil) }
        if takePhrase("accepted through") { return .accepted(try index()) }
        if take("conflict") {
            let at = take("at") ? try index() : nil
            return .conflict(at: at, hint: take("hint") ? try id() : nil)
        }
        if takePhrase("rejected in term") { return .rejected(try term()) }
        if take("confirmed") { return .confirmed }
        if takePhrase("no answer") { return .none(for: take("for") ? try duration() : .milliseconds(300)) }
        return nil
    }

    mutating func comparison() -> Comparison {
        if takePhrase("at least") { return .atLeast }
        if takePhrase("at most") { return .atMost }
        return .equal
    }

    mutating func condition() throws(Failure) -> Condition {
        if beginsWithCallName {
            let name = try callName()
            if take("sees") { return .sees(name, try callName(), true) }
            if takePhrase("does not see") { return .sees(name, try callName(), false) }
            if take("reads") { return .reads(name, take("nothing") ? nil : try word("a value")) }
            if takePhrase("answers as") { return .answersAs(name, try callName()) }
            if takePhrase("fails with") { return .fails(name, try word("the code of an error")) }
            _ = take("is")
            guard let next, let state = CallState(rawValue: next) else {
                throw expected("ok, refused, unknown, pending, settled, sees, reads, answers as or fails with")
            }
            words.removeFirst()
            if state == .refused, take("as") { return .refused(name, code: try word("the name of an error")) }
            return .call(name, state)
        }
        if takePhrase("one leader") { return .oneLeader }
        if takePhrase("no leader") { return .noLeader }
        if takePhrase("same leader since") { return .sameLeader(since: try callName()) }
        if next == "leader", words.count == 1 || words.dropFirst().first == "for" {
            words.removeFirst()
            return .aLeader
        }
        if takePhrase("all agree") { return .agree(.all) }
        if take("entry") {
            let id = try id()
            let isCommitted = !take("not")
            try require("committed")
            return .committed(id, isCommitted)
        }
        if takePhrase("term of") || takePhrase("terms of") { return try terms() }
        if let first = words.first, first == "no" || first == "at" || Int(first) != nil, words.contains("->") {
            return try traffic()
        }
        if take("node") || take("nodes") { return try nodeCondition(try nodes()) }
        throw expected("a condition")
    }

    mutating func terms() throws(Failure) -> Condition {
        let set = try nodes()
        if takePhrase("unchanged since") { return .term(set, .equal, above: 0, since: try callName()) }
        let comparison = comparison()
        let above = try number()
        try require("higher since")
        return .term(set, comparison, above: above, since: try callName())
    }

    mutating func traffic() throws(Failure) -> Condition {
        let comparison: Comparison = next == "no" ? .equal : comparison()
        let limit = take("no") ? 0 : try count()
        let kinds = try kinds()
        let route = try route()
        try require("since")
        return .count(comparison, limit, kinds, from: route.from, to: route.to, since: try callName())
    }

    mutating func nodeCondition(_ set: NodeSet) throws(Failure) -> Condition {
        if take("agree") { return .agree(set) }
        for (phrase, leads) in [("leads", true), ("lead", true), ("does not lead", false), ("do not lead", false)]
        where takePhrase(phrase) {
            return .leads(set, leads, takePhrase("in term") ? try term() : nil)
        }
        _ = take("is") || take("are")
        var attributes: [Attribute] = []
        while !isEmpty, next != "for" {
            attributes.append(try attribute())
            _ = take("and")
        }
        guard !attributes.isEmpty else { throw expected("what the node is") }
        return .node(set, attributes)
    }

    mutating func attribute() throws(Failure) -> Attribute {
        if let next, let role = NodeRole(rawValue: next), words.dropFirst().first.flatMap({ UInt64($0) }) == nil,
            words.dropFirst().first != "none"
        {
            words.removeFirst()
            return .role(role)
        }
        if take("down") { return .isDown }
        if take("term") {
            let comparison = comparison()
            return .term(comparison, try term())
        }
        if take("log") { return .log(try ids()) }
        if take("last") { return .last(try id()) }
        if take("durable") {
            let comparison = comparison()
            return .durable(comparison, try index())
        }
        if take("commit") {
            let comparison = comparison()
            return .commit(comparison, try index())
        }
        if take("applied") {
            let comparison = comparison()
            return .applied(comparison, try index())
        }
        if take("voters") { return .voters(try plainIDs()) }
        if take("learners") { return .learners(take("none") ? [] : try plainIDs()) }
        if take("joint") { return .joint(true) }
        if takePhrase("not joint") { return .joint(false) }
        if take("removed") { return .removed }
        if take("snapshot") {
            if take("none") { return .snapshot(.equal, 0) }
            let comparison = comparison()
            return .snapshot(comparison, try index())
        }
        if take("purged") {
            let comparison = comparison()
            return .purged(comparison, try index())
        }
        if take("vote") { return .vote(take("none") ? nil : NodeID(try number())) }
        if take("leader") { return .leader(take("none") ? nil : NodeID(try number())) }
        if takePhrase("may lose") { return .tolerance(try count()) }
        throw expected(
            "a role, down, term, log, last, durable, commit, applied, vote, leader, voters, learners, joint, removed, snapshot, purged or may lose"
        )
    }
}
