/// A rule that a build with `RAFT_MUTANTS=1` can break on purpose. The article Mutants of `Raft` shows the same list.
package struct DeclaredMutant: Sendable, Hashable {
    /// Its row, and the variant in it: `4.1`.
    package let number: String
    /// What its hooks ask for.
    package let name: String
    /// What goes wrong.
    package let fault: String
    /// Where this has happened, or what warns of it.
    package let source: String
    /// The files that hold its hooks, below `Sources`.
    package let files: [String]
    /// What the code does not have yet, so that there is nothing to break; nil when there is.
    package let needs: String?
    /// What the runs that are to notice it are drawn from.
    package let profile: SimulationProfile.Name
    /// Which text under `Tests/Scenarios` notices it, where no seed can: it costs messages, and breaks no promise.
    package let scenario: String?

    private init(
        _ number: String, _ name: String, _ fault: String, from source: String, in files: String...,
        needs: String? = nil, profile: SimulationProfile.Name = .swarm, scenario: String? = nil
    ) {
        self.number = number
        self.name = name
        self.fault = fault
        self.source = source
        self.files = files.map { "\($0).swift" }
        self.needs = needs
        self.profile = profile
        self.scenario = scenario
    }

    /// Whether seeds are to notice it.
    package var isSearched: Bool { needs == nil && scenario == nil }

    /// The one of this number or name.
    package static func find(_ wanted: String) -> DeclaredMutant? {
        all.first { $0.number == wanted || $0.name == wanted }
    }

    package static let all: [DeclaredMutant] = [
        .init(
            "1", "old-term-commit", "A leader commits an entry of an older term by counting copies",
            from: "Raft, Figure 8; CCF", in: "Raft/Leader/Commitment"),
        .init(
            "2.1", "vote-before-disk", "A vote is told before it is durable",
            from: "eliben/raft, missing-persist tests",
            in: "Raft/Rules/Voting"),
        .init(
            "2.2", "questions-before-own-vote", "A candidate asks for votes before its own is durable",
            from: "eliben/raft, missing-persist tests", in: "Raft/Candidate/CandidateRules"),
        .init(
            "2.3", "term-before-disk", "A reply names a term that is not durable yet",
            from: "eliben/raft, missing-persist tests", in: "Raft/Rules/TermGate"),
        .init(
            "3.1", "vote-forgotten-at-start", "A start keeps the term and forgets the vote", from: "canonical/raft 386",
            in: "Raft/Turn/Baton"),
        .init(
            "3.2", "vote-kept-in-next-term", "A new term begins with the vote of the last one",
            from: "canonical/raft 386", in: "Raft/Turn/Baton"),
        .init(
            "4.1", "vote-for-any-log", "A vote goes to a candidate whose log is behind", from: "Raft §5.4.1",
            in: "Raft/Rules/Voting"),
        .init(
            "4.2", "index-before-term", "Logs are compared by index before term", from: "openraft a48a3282",
            in: "Raft/Rules/Voting"),
        .init(
            "5.1", "ack-before-disk", "An append is acknowledged before it is durable",
            from: "NATS JetStream; RaftFsync.tla",
            in: "Raft/Rules/Following"),
        .init(
            "5.2", "own-copy-before-disk", "A leader counts its own copy before its disk has answered",
            from: "etcd 14370", in: "Raft/Leader/Commitment"),
        .init(
            "5.3", "repeat-acked-before-disk",
            "An append that comes twice is acknowledged while the first is being written",
            from: "NATS JetStream; RaftFsync.tla", in: "Raft/Rules/Following"),
        .init(
            "6", "ack-own-end", "An ack names the end of the own log, not of what was compared",
            from: "CCF, inaccurate AE-ACK", in: "Raft/Rules/Following"),
        .init(
            "7.1", "commit-beyond-append", "A follower commits beyond what the append has compared",
            from: "Raft, Figure 2", in: "Raft/Rules/Following"),
        .init(
            "7.2", "heartbeat-commit-uncapped", "A heartbeat commits beyond what the follower has acknowledged",
            from: "Raft, Figure 2", in: "Raft/Rules/Following"),
        .init(
            "8", "stale-append-cuts", "An append that ends early cuts what is behind it",
            from: "CCF, early AE; async-raft 9540c904", in: "Raft/Rules/LogMatching"),
        .init(
            "9.1", "conflict-kept", "Entries that conflict are kept, and acknowledged", from: "Log Matching, Raft §5.3",
            in: "Raft/Rules/LogMatching"),
        .init(
            "9.2", "first-conflict-kept", "The first entry that conflicts is kept, and the rest replaced",
            from: "Log Matching, Raft §5.3", in: "Raft/Rules/LogMatching"),
        .init(
            "10", "cut-keeps-configuration", "A truncation keeps the configuration of the entry that it cuts",
            from: "canonical/raft, rollback tests", in: "Raft/Membership/MembershipHistory", profile: .churn),
        .init(
            "11", "refusal-counts", "A refused append counts as an ack of the entry before it",
            from: "CCF, commit on NACK",
            in: "Raft/Leader/LeaderRules+Peers"),
        .init(
            "12.1", "ack-of-other-term", "An ack of an earlier term and stream counts", from: "openraft cecb5de8",
            in: "Raft/Rules/TermGate", "Raft/Leader/LeaderRules+Peers"),
        .init(
            "12.2", "round-of-other-term", "A heartbeat's answer of an earlier term and stream counts",
            from: "openraft cecb5de8", in: "Raft/Rules/TermGate", "Raft/Leader/LeaderRules+Peers"),
        .init(
            "12.3", "ack-of-all-sent", "An ack of one append is taken for an ack of all that are under way",
            from: "openraft cecb5de8", in: "Raft/Leader/Progress"),
        .init(
            "12.4", "answer-to-no-question", "An answer to an append that is no longer under way is taken for one",
            from: "etcd's progress states", in: "Raft/Leader/Progress", scenario: "R46-conflicts-and-heartbeats"),
        .init(
            "13", "cut-voids-no-write", "The completion of an older write at an index marks a newer one durable",
            from: "etcd, asynchronous writes", in: "Raft/Log/OutstandingWrites"),
        .init(
            "14", "later-writes-durable-too", "The completion of one write is taken for that of all",
            from: "openraft 2af491fb",
            in: "Raft/Log/OutstandingWrites"),
        .init(
            "15", "joint-quorum-of-union", "A joint configuration decides by a majority of the union", from: "CCF",
            in: "Raft/Membership/Quorum", profile: .churn),
        .init(
            "16", "quorum-unsorted", "The quorum's index is taken from an unsorted list", from: "openraft 1802",
            in: "Raft/Membership/Quorum"),
        .init(
            "17.1", "learner-counts", "A learner counts as a voter does", from: "etcd, remove_leader",
            in: "Raft/Membership/Quorum", profile: .churn),
        .init(
            "17.2", "removed-leader-counts", "A leader that lost its vote counts its own copy",
            from: "etcd, remove_leader", in: "Raft/Leader/Commitment", profile: .churn),
        .init(
            "18", "configuration-at-commit",
            "A configuration takes effect when it is committed, not when it is appended",
            from: "dissertation, chapter 4", in: "Raft/Membership/MembershipHistory", profile: .churn),
        .init(
            "19.1", "two-changes", "A second change is accepted while one is not committed", from: "raft-dev, 2015",
            in: "Raft/Leader/LeaderRules+Membership", profile: .churn),
        .init(
            "19.2", "change-before-own-commit", "A leader changes the members before it has committed in its term",
            from: "raft-dev, 2015", in: "Raft/Leader/LeaderRules+Membership", profile: .churn),
        .init(
            "20.1", "joint-left-early", "The joint configuration is left before it is committed", from: "Raft §6",
            in: "Raft/Leader/LeaderRules+Membership", profile: .churn),
        .init(
            "20.2", "voters-in-one-step", "Any number of voters change in one step", from: "Raft §6, Figure 10",
            in: "Raft/Membership/MembershipChange", profile: .churn),
        .init(
            "20.3", "redirect-in-one-step", "A joint configuration is redirected without a joint one of its own",
            from: "Raft §6, Figure 10", in: "Raft/Membership/MembershipChange", profile: .churn),
        .init(
            "20.4", "loss-of-vote-at-append", "A voter whose log ends its vote, uncommitted, does not campaign",
            from: "Raft §6", in: "Raft/Turn/Baton", profile: .churn),
        .init(
            "21.1", "votes-of-other-rounds", "Votes of an earlier round and term count",
            from: "canonical/raft, stale pre-votes", in: "Raft/Rules/TermGate", "Raft/Candidate/CandidateRules"),
        .init(
            "21.2", "pre-votes-are-votes", "A granted pre-vote counts as a vote", from: "openraft 511f33c7",
            in: "Raft/Candidate/CandidateRules"),
        .init(
            "22.1", "pre-vote-raises-term", "The prospective term of a pre-vote is adopted", from: "openraft 1796",
            in: "Raft/Rules/TermGate"),
        .init(
            "22.2", "pre-vote-refusal-ignored", "A higher term in the refusal of a pre-vote is ignored",
            from: "openraft 1796", in: "Raft/Rules/TermGate"),
        .init(
            "23", "no-check-quorum", "A leader that reaches no quorum leads on", from: "Cloudflare, November 2020",
            in: "Raft/Leader/LeaderRules"),
        .init(
            "24.1", "read-without-round", "A linearizable read asks no quorum", from: "etcd 7331; redisraft 19",
            in: "Raft/Leader/LeaderRules+Reads"),
        .init(
            "24.2", "read-before-own-commit", "A leader serves reads before an entry of its term is committed",
            from: "dissertation §6.4", in: "Raft/Leader/LeaderRules+Reads"),
        .init(
            "24.3", "read-on-earlier-round", "Answers to heartbeats from before the read count for it",
            from: "etcd 7331; redisraft 19", in: "Raft/Leader/PendingReads"),
        .init(
            "25.1", "reads-outlive-office", "A read that waited is served after leadership was lost",
            from: "etcd 20418",
            in: "Raft/Leader/LeaderRules"),
        .init(
            "25.2", "any-write-is-own-vote", "A candidate takes whatever the disk answers for its own vote",
            from: "etcd 20418", in: "Raft/Candidate/CandidateRules"),
        .init(
            "26.1", "lease-from-receipt", "A lease is measured from the answer, not from the question",
            from: "CockroachDB 133764", in: "Raft/Leader/LeaderRules+Reads"),
        .init(
            "26.2", "lease-without-margin", "A lease leaves no room for clocks that drift", from: "dissertation §6.4.1",
            in: "Raft/Reads/LeaderLease"),
        .init(
            "26.3", "lease-in-transfer", "A lease is kept while leadership is passed on", from: "openraft 1747",
            in: "Raft/Leader/LeaderRules+Reads", "Raft/Reads/LeaderLease"),
        .init(
            "26.4", "lease-forgotten-at-start", "A voter that starts again forgets the lease that may rest on it",
            from: "dissertation §6.4.1", in: "Raft/Turn/Baton"),
        .init(
            "26.5", "lease-without-entry", "A lease rests on voters that do not hold the entry which allows it",
            from: "dissertation §6.4.1", in: "Raft/Leader/LeaderRules+Reads"),
        .init(
            "26.6", "leader-forgotten-under-lease",
            "A refused connection makes a voter forget a leader that may have a lease",
            from: "dissertation §6.4.1", in: "Raft/Rules/Suspicion"),
        .init(
            "26.7", "dead-leader-awaited", "A leader whose process ended is waited for as if it lived",
            from: "etcd, which waits its whole timeout", in: "Raft/Rules/Suspicion", scenario: "03-leader-killed"),
        .init(
            "27.1", "edge-without-term", "The term of the entry before the log's first one is taken for 0",
            from: "openraft 71a290cd", in: "Raft/Log/TermRuns"),
        .init(
            "27.2", "purge-one-too-many", "The log is purged one entry further than the snapshot goes",
            from: "openraft 71a290cd", in: "Raft/Rules/Snapshotting"),
        .init(
            "28.1", "old-snapshot-installed", "A snapshot older than what is committed is installed",
            from: "dissertation §5.1", in: "Raft/Rules/Following"),
        .init(
            "28.2", "matching-log-dropped", "A snapshot replaces a log that holds its last entry and more",
            from: "dissertation §5.1", in: "Raft/Rules/Following"),
        .init(
            "29.1", "purge-before-snapshot", "The log is purged before the snapshot is durable",
            from: "Pillai and others, 2014", in: "Raft/Rules/Snapshotting"),
        .init(
            "29.2", "snapshot-name-not-synced", "A snapshot counts before its name is durable",
            from: "Pillai and others, 2014", in: "RaftStorage/SnapshotFile"),
        .init(
            "30.1", "snapshot-without-configuration", "A snapshot leaves out the configuration", from: "redisraft 14",
            in: "Raft/StateMachine/Applier", profile: .churn),
        .init(
            "30.2", "snapshot-without-sessions", "A snapshot leaves out the clients' sessions", from: "redisraft 14",
            in: "Raft/StateMachine/Applier"),
        .init(
            "30.3", "rebuilt-not-taken", "A snapshot built for a damaged one of the same entry is not taken",
            from: "openraft 1829", in: "Raft/Snapshots/SnapshotLedger"),
        .init(
            "31.1", "retry-applied-twice", "A retried command is applied again", from: "dissertation §6.3",
            in: "Raft/Sessions/SessionTable"),
        .init(
            "31.2", "retry-after-new-leader", "A command retried in a later term is applied again",
            from: "dissertation §6.3", in: "Raft/Sessions/SessionTable"),
        .init(
            "31.3", "reply-not-stored", "A retried command is answered with nothing", from: "dissertation §6.3",
            in: "Raft/Sessions/SessionTable"),
        .init(
            "31.4", "expire-ends-active", "An order to end a silent session ends one that was heard of since",
            from: "dissertation §6.3", in: "Raft/Sessions/SessionTable"),
        .init(
            "32.1", "apply-before-commit", "What is durable is applied before it is committed", from: "Raft, Figure 2",
            in: "Raft/Turn/Baton"),
        .init(
            "32.2", "apply-out-of-order", "Runs are applied out of order", from: "Raft, Figure 2",
            in: "Raft/StateMachine/Applier"),
        .init(
            "32.3", "apply-after-failure", "A state machine that failed is given more",
            from: "etcd's panic on a failed apply",
            in: "Raft/StateMachine/Applier"),
        .init(
            "33.1", "damage-is-the-end", "Damage in the middle of the log is taken for its end",
            from: "Alagappan and others, 2018", in: "RaftStorage/SegmentWindow"),
        .init(
            "33.2", "suspect-end-is-torn", "A last frame that may have been acknowledged is cut as a torn one",
            from: "Alagappan and others, 2018", in: "RaftStorage/SegmentWindow"),
        .init(
            "33.3", "sync-tried-again", "A sync that failed is tried again", from: "PostgreSQL, fsync, 2018",
            in: "RaftStorage/LogFrameWriter"),
        .init(
            "33.4", "torn-end-overwritten", "New frames are written over a torn end of the log",
            from: "Pillai and others, 2014", in: "RaftStorage/SegmentedLog"),
        .init(
            "33.5", "start-syncs-no-names", "A start promises entries in files whose names may not be durable",
            from: "Pillai and others, 2014", in: "RaftStorage/SegmentedLog", "RaftStorage/DataDirectory"),
        .init(
            "34.1", "lost-disk-votes", "A member that lost its disk votes again under its old id",
            from: "Vanlightly, 2023", in: "Raft/Supervisor/NodePort"),
        .init(
            "34.2", "any-request-resets-timer", "Whatever a peer asks resets the election timer",
            from: "hashicorp/raft 666", in: "Raft/Follower/FollowerRules"),
        .init(
            "34.3", "heartbeats-without-disk", "A leader whose disk does not answer leads on",
            from: "hashicorp/raft 666",
            in: "Raft/Leader/LeaderRules"),
        .init(
            "34.4", "peers-not-kept", "Which lives of the others a node has met is forgotten at a start",
            from: "Vanlightly, 2023", in: "RaftStorage/PeerFile"),
        .init(
            "35", "probe-for-ever", "A peer that has agreed is probed for ever", from: "etcd's progress states",
            in: "Raft/Leader/Progress"),
        .init(
            "36", "next-index-underflow", "Backing up goes past the first entry", from: "hashicorp/raft, nextIndex 0",
            in: "Raft/Leader/Progress"),
        .init(
            "37.1", "writer-goes-to-sleep", "What gathered while the disk was busy is forgotten", from: "lost wake-ups",
            in: "Raft/Log/LogWriter"),
        .init(
            "37.2", "apply-backlog-forgotten", "What a busy state machine could not take yet is forgotten",
            from: "lost wake-ups", in: "Raft/Turn/Baton"),
        .init(
            "38.1", "never-leader-stays", "A leader that is never to lead does not hand over",
            from: "MongoDB, priority takeover", in: "Raft/Leader/LeaderRules+Transfer"),
        .init(
            "38.2", "preferred-to-and-fro", "Leadership moves between two preferred members",
            from: "MongoDB, priority takeover", in: "Raft/Leader/LeaderRules+Transfer"),
        .init(
            "38.3", "transfer-without-end", "A transfer that does not come about is never given up",
            from: "etcd, TestLeaderTransferTimeout", in: "Raft/Leader/LeaderRules+Transfer"),
        .init(
            "39.1", "forward-loss-is-nothing",
            "A write that was passed on and lost sight of is said to have done nothing",
            from: "etcd, forwarded proposals", in: "Raft/Forwarding/ForwardLink"),
        .init(
            "39.2", "forward-sent-twice", "A write is passed on twice, in case that the first was lost",
            from: "etcd, forwarded proposals", in: "Raft/Forwarding/ForwardLink"),
    ]
}
