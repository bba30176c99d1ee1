internal import Raft

// What is done: settings, faults, callers and ghosts.

extension StatementParser {
    mutating func statement() throws(Failure) -> Statement {
        if next == "at" {
            guard let timed = TimedFault(parsing: text) else {
                throw Failure(reason: "a fault at a moment is written as raft-simulate --shrink prints it")
            }
            words = []
            return .at(timed)
        }
        if take("now") {
            // Without what the parser leaves out: a fault has words of its own.
            let fault = text.drop { $0 != ":" }.dropFirst()
            guard let fault = Fault(parsing: String(fault)) else {
                throw Failure(reason: "a fault is written as raft-simulate --shrink prints it: now: free disk of 2")
            }
            words = []
            return .now(fault)
        }
        if let change = try setting() { return .setting(change) }
        if let statement = try processes() { return statement }
        if let statement = try network() { return statement }
        if let statement = try callers() { return statement }
        if let next, next == "ghost" || next == "ghosts" {
            words.removeFirst()
            return .ghost(try nodes(), try ghost())
        }
        if takePhrase("wait until") { return .within(.seconds(10), try condition()) }
        if take("wait") { return .wait(try duration()) }
        if take("within") {
            let limit = try duration()
            return .within(limit, try condition())
        }
        if take("mark") { return .mark(try callName()) }
        if take("call") {
            let node = try node()
            return .name(try callName(), node)
        }
        if take("repeat") {
            let times = try count()
            try require("times")
            return .repeatBlock(times, [])
        }
        if takePhrase("end repeat") { return .endRepeat }
        if take("expect") { return try expectation() }
        if takePhrase("finally converge") { return .finally(without: take("without") ? try nodes() : nil) }
        throw Failure(reason: "\"\(words.joined(separator: " "))\" is no statement; see the article Scenarios")
    }

    mutating func setting() throws(Failure) -> ScenarioSettings.Change? {
        if let next, ["node", "nodes", "ghost", "ghosts"].contains(next),
            words.contains("begins") || words.contains("begin")
        {
            words.removeFirst()
            let ids = try plainIDs()
            guard take("begins") || take("begin") else { throw expected("\"begins\"") }
            return .begins(ids, try beginning())
        }
        if let next, ["node", "nodes"].contains(next), let change = try wish() { return change }
        if takePhrase("steady after") { return .steady(try duration()) }
        if takePhrase("preference interval") { return .preferenceInterval(try duration()) }
        if takePhrase("leases of") { return .leases(try duration()) }
        if takePhrase("clocks drift by at most") {
            let bound = try count()
            try require("ppm")
            return .drift(partsPerMillion: bound)
        }
        if take("nodes") {
            let count = try count()
            guard (1...100).contains(count) else { throw Failure(reason: "a cluster has 1 to 100 nodes, not \(count)") }
            return .nodes(count)
        }
        if take("real") { return .real(try plainIDs()) }
        if take("seed") { return .seed(try number()) }
        if takePhrase("election timeout of") {
            let ids = try plainIDs()
            _ = take("is")
            return .electionTimeout(try durations(), of: ids)
        }
        if takePhrase("election timeout") { return .electionTimeout(try durations(), of: nil) }
        if take("heartbeat") { return .heartbeat(try duration()) }
        if takePhrase("network takes") { return .delay(try nanoseconds()) }
        if takePhrase("network reorders") { return .reorders }
        if takePhrase("segments are made ahead") { return .preparesSegments }
        if takePhrase("network loses") {
            let count = try count()
            try require("of 1000")
            return .losses(perMille: count)
        }
        if takePhrase("network duplicates") {
            let count = try count()
            try require("of 1000")
            return .duplicates(perMille: count)
        }
        if takePhrase("disks take") { return .disk(try nanoseconds()) }
        if take("window") {
            let count = try count()
            try require("appends")
            return .window(count)
        }
        if takePhrase("snapshot every") {
            let count = try count()
            try require("entries")
            return .snapshotEvery(count)
        }
        if takePhrase("snapshots by hand") { return .snapshotEvery(nil) }
        if takePhrase("snapshot pieces") {
            let count = try count()
            try require("bytes")
            return .pieces(count)
        }
        if take("keep") {
            let count = try count()
            try require("entries")
            return .keep(count)
        }
        if takePhrase("lag limit") {
            let count = try count()
            try require("entries")
            return .lagLimit(count)
        }
        if takePhrase("session timeout") { return .sessionTimeout(try duration()) }
        if take("sessions") { return .sessions(try count()) }
        for limit in ["append", "uncommitted", "tail", "apply"] where takePhrase(limit + " limit") {
            let count = try count()
            try require("bytes")
            switch limit {
            case "append": return .appendLimit(count)
            case "uncommitted": return .uncommittedLimit(count)
            case "tail": return .tailLimit(count)
            default: return .applyLimit(count)
            }
        }
        return nil
    }

    /// `nodes 2 3 are preferred`, `node 4 joins`
    private mutating func wish() throws(Failure) -> ScenarioSettings.Change? {
        func ends(_ phrase: String) -> Bool { words.suffix(2).joined(separator: " ").hasSuffix(phrase) }
        let kinds: [(String, ([NodeID]) -> ScenarioSettings.Change)] = [
            ("is preferred", { .prefers($0, .preferred) }), ("are preferred", { .prefers($0, .preferred) }),
            ("never leads", { .prefers($0, .never) }), ("never lead", { .prefers($0, .never) }),
            ("joins", { .joins($0) }), ("join", { .joins($0) }),
        ]
        guard let kind = kinds.first(where: { ends($0.0) }) else { return nil }
        words.removeFirst()
        let ids = try plainIDs()
        try require(kind.0)
        return kind.1(ids)
    }

    /// `ask the leader to promote 4 as A`: what is asked for is written as `raft-simulate --shrink` prints it.
    private mutating func ask() throws(Failure) -> Statement {
        let node = try node()
        let isGuarded = take("guardedly")
        guard let to = text.firstRange(of: " to ") else { throw expected("\"to\"") }
        var rest = String(text[to.upperBound...])
        var name: String?
        if let last = rest.split(separator: " ").last, last.first?.isUppercase == true, rest.hasSuffix(" as \(last)") {
            name = String(last)
            rest = String(rest.dropLast(" as \(last)".count))
        }
        // Where it listens is of no interest to most.
        let words = rest.split(separator: " ")
        if words.count == 2, words[0] == "add" { rest += " at simulated:\(words[1])" }
        guard case .changeMembers(_, let request, _) = Fault(parsing: "ask 1 to \(rest)") else {
            throw Failure(reason: "a change of the members is written as raft-simulate --shrink prints it")
        }
        self.words = []
        return .ask(node, request, isGuarded: isGuarded, name: name)
    }

    mutating func beginning() throws(Failure) -> ScenarioSettings.Beginning {
        var beginning = ScenarioSettings.Beginning()
        while !isEmpty {
            if take("term") {
                beginning.state.currentTerm = try term()
            } else if take("vote") {
                beginning.state.votedFor = NodeID(try number())
            } else if take("log") {
                beginning.log = try ids()
            } else {
                throw expected("term, vote or log")
            }
        }
        return beginning
    }

    mutating func processes() throws(Failure) -> Statement? {
        if take("start") { return .start(try nodes()) }
        if take("crash") {
            let victims = try nodes()
            var changes: Int?
            if take("after") {
                changes = try count()
                if !take("change") { try require("changes") }
            }
            return .crash(victims, losingPower: takePhrase("losing power"), afterChanges: changes)
        }
        if take("stop") { return .stop(try nodes()) }
        if take("pause") { return .pause(try nodes()) }
        if take("resume") { return .resume(try nodes()) }
        if takePhrase("disk of") || takePhrase("disks of") {
            let victims = try nodes()
            if take("hangs") || take("hang") { return .disk(victims, .hangs) }
            if takePhrase("goes on") || takePhrase("go on") { return .disk(victims, .goesOn) }
            if take("fails") || take("fail") { return .disk(victims, .fails) }
            if takePhrase("is lost") { return .disk(victims, .isLost) }
            guard take("takes") || take("take") else { throw expected("hangs, goes on, fails, is lost or takes") }
            return .disk(victims, .takes(try nanoseconds()))
        }
        if take("recover") { return .recover(try node()) }
        if takePhrase("builds of") {
            let victims = try nodes()
            if take("hang") { return .disk(victims, .buildsHang) }
            try require("go on")
            return .disk(victims, .buildsGoOn)
        }
        if take("let") {
            if takePhrase("all campaign") { return .allCampaign }
            if takePhrase("all pass") { return .letAllPass }
            if take("only") {
                let node = try node()
                try require("campaign")
                return .onlyCampaigns(node)
            }
            let kinds = try kinds()
            let route = try route()
            try require("pass")
            return .letPass(kinds, from: route.from, to: route.to)
        }
        if next == "node", words.contains("campaigns") {
            words.removeFirst()
            let node = try node()
            try require("campaigns")
            return .campaign(node)
        }
        return nil
    }

    mutating func network() throws(Failure) -> Statement? {
        if take("cut") {
            let from = try nodes()
            if take("->") { return .cut(from: from, to: try nodes(), isOneWay: true) }
            try require("from")
            return .cut(from: from, to: try nodes(), isOneWay: false)
        }
        if take("split") {
            var sides = [try nodes()]
            while take("|") { sides.append(try nodes()) }
            return .split(sides)
        }
        if take("heal") { return .heal }
        for (word, action) in [("drop", TrafficControl.Action.drop), ("hold", .hold)] where take(word) {
            var limit: Int?
            if take("next") { limit = next.flatMap(Int.init) == nil ? 1 : try count() }
            let kinds = try kinds()
            let route = try route()
            return .filter(action, kinds, from: route.from, to: route.to, count: limit)
        }
        if takePhrase("release held") {
            return .release(takePhrase("in reverse order") ? .reversed : take("twice") ? .twice : .asSent)
        }
        return nil
    }

    mutating func callers() throws(Failure) -> Statement? {
        if take("put") {
            let spec: PutSpec
            if let next, let count = Int(next) {
                words.removeFirst()
                try require("values")
                spec = .many(count)
            } else {
                let parts = try word("a value, such as x=5,").split(separator: "=").map(String.init)
                guard parts.count == 2 else { throw Failure(reason: "a write is put x=5") }
                spec = .one(key: parts[0], value: parts[1])
            }
            try require("at")
            let node = try node()
            let session = take("in") ? try callName() : nil
            return .put(spec, at: node, session: session, name: take("as") ? try callName() : nil)
        }
        if take("read") {
            let key = next == "at" || next == "locally" || next == "by" ? "x" : try word("a key")
            let consistency: ReadConsistency =
                take("locally") ? .local : takePhrase("by lease") ? .lease : .linearizable
            try require("at")
            let node = try node()
            try require("as")
            return .read(key: key, at: node, consistency, name: try callName())
        }
        if take("session") {
            let name = try callName()
            try require("at")
            return .session(name, at: try node())
        }
        for word in ["close", "retry"] where take(word) {
            let what = try callName()
            try require("at")
            let node = try node()
            try require("as")
            let name = try callName()
            return word == "close" ? .close(what, at: node, name: name) : .retry(what, at: node, name: name)
        }
        if take("acknowledge") { return .acknowledge(try callName()) }
        if take("ask") { return try ask() }
        if take("transfer") {
            let from = try node()
            let to = take("to") ? try node() : nil
            return .transfer(from: from, to: to, name: take("as") ? try callName() : nil)
        }
        if takePhrase("snapshot at") {
            let node = try node()
            return .snapshot(at: node, name: take("as") ? try callName() : nil)
        }
        if takePhrase("push snapshot") {
            let to = take("to") ? try node() : nil
            try require("at")
            let node = try node()
            return .push(to: to, at: node, name: take("as") ? try callName() : nil)
        }
        return nil
    }

    // MARK: Ghosts

    mutating func phase() throws(Failure) -> VoteRequest.Phase {
        if take("pre-vote") { return .preVote }
        if take("vote") { return .vote }
        throw expected("vote or pre-vote")
    }

    mutating func ghost() throws(Failure) -> GhostAction {
        if take("follows") || take("follow") { return .follow }
        if takePhrase("confirms heartbeats only") || takePhrase("confirm heartbeats only") { return .confirmOnly }
        if takePhrase("falls silent") || takePhrase("fall silent") { return .fallSilent }
        if takePhrase("repeats its answer") { return .repeatAnswer }
        if take("asks") {
            let voter = try node()
            try require("for its")
            let phase = try phase()
            try require("in term")
            let term = try term()
            try require("last")
            let last = try id()
            return .askVote(voter, phase, term: term, last: last, isTransfer: takePhrase("as transfer"))
        }
        if takePhrase("appends to") {
            let node = try node()
            try require("in term")
            let term = try term()
            try require("previous")
            let previous = try id()
            let entries = take("entries") ? try ids() : []
            return .append(
                node, term: term, previous: previous, entries: entries, commit: take("commit") ? try index() : 0)
        }
        if takePhrase("sends heartbeat to") {
            let node = try node()
            try require("in term")
            let term = try term()
            return .heartbeat(node, term: term, commit: take("commit") ? try index() : 0)
        }
        if take("tells") {
            let node = try node()
            try require("to campaign in term")
            let term = try term()
            try require("last")
            return .timeoutNow(node, term: term, last: try id())
        }
        return try answer()
    }

    mutating func answer() throws(Failure) -> GhostAction {
        if take("grants") || take("grant") {
            let node = try owner()
            let phase = try phase()
            return .grant(node, phase, of: takePhrase("of term") ? try term() : nil)
        }
        if take("refuses") || take("refuse") {
            let node = try owner()
            let phase = try phase()
            let asked = takePhrase("of term") ? try term() : nil
            return .refuse(node, phase, of: asked, being: takePhrase("being in term") ? try term() : nil)
        }
        if take("accepts") || take("accept") {
            let node = try owner()
            try require("append")
            return .accept(node, endingAt: takePhrase("ending at") ? try index() : nil)
        }
        if takePhrase("finds conflict in") || takePhrase("find conflict in") {
            let node = try owner()
            try require("append")
            let end = takePhrase("ending at") ? try index() : nil
            try require("hint")
            return .conflict(node, endingAt: end, hint: try id())
        }
        if take("confirms") || take("confirm") {
            let node = try owner()
            try require("heartbeat")
            return .confirm(node)
        }
        if take("rejects") || take("reject") {
            let node = try owner()
            let isAppend = take("append")
            if !isAppend { try require("heartbeat") }
            try require("being in term")
            return isAppend ? .rejectAppend(node, being: try term()) : .rejectHeartbeat(node, being: try term())
        }
        throw expected("what the ghost says")
    }
}
