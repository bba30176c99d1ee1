// The log writer.
// Owns the order in which vote, term, truncations and entries reach the disk, and the replies that wait for it.
// Takes writes and replies from the role in office; gives them to the store on the disk loop, one group at a time:
// while one is being synced, the next gathers (group commit). On a full disk it asks the store again once a second.
// Never sends a reply before everything it was given before that reply is durable; never tries again after a failure.
// Started by the Supervisor; ends with the node.

actor LogWriter: Activated {
    nonisolated let unownedExecutor: UnownedSerialExecutor
    private let loop: any Loop
    private let disk: any Loop
    private let store: any LogStore
    private let mailbox: Mailbox<Message>
    private let probe: (any Probe)?

    // Unchecked by the runtime, as in every actor that each write passes: nothing here begins within another.
    @exclusivity(unchecked) private var operations: [LogOperation] = []
    @exclusivity(unchecked) private var replies: [HeldReply] = []
    @exclusivity(unchecked) private var newest: WriteID?
    @exclusivity(unchecked) private var job: LogWriteJob?
    private var failure: RaftError?
    private var whenIdle: [@Sendable () -> Void] = []
    private var isClosed = false
    private var isHeldBack = false
    /// The store has no room for what it was given, and keeps it.
    private var isBlocked = false
    /// What the node was told last.
    private var shortage: RaftError?
    private var isAskingAgain = false
    /// How long a full disk is left alone between two attempts.
    static let spaceInterval = Duration.seconds(1)

    init(
        loop: any Loop, disk: any Loop, store: any LogStore, mailbox: Mailbox<Message>, probe: (any Probe)? = nil
    ) {
        self.loop = loop
        self.disk = disk
        self.store = store
        self.mailbox = mailbox
        self.probe = probe
        unownedExecutor = loop.asUnownedSerialExecutor()
    }

    /// Adds a write behind all others. `begin()` starts it.
    func add(_ more: [LogOperation], id: WriteID, replies held: [HeldReply]) {
        guard failure == nil, !isClosed else { return }
        if operations.isEmpty { operations = more } else { operations.append(contentsOf: more) }
        if replies.isEmpty { replies = held } else { replies.append(contentsOf: held) }
        if newest != nil, job != nil { probe?.reached(.writesGathered) }
        newest = id
    }

    /// Sends a reply once everything given so far is durable: now, if nothing is on its way.
    func releaseAfterWrites(_ held: HeldReply) {
        guard failure == nil, !isClosed else { return }
        if newest != nil {
            replies.append(held)
        } else if let job {
            job.replies.append(held)
        } else {
            held.path.send(held.reply)
        }
    }

    /// Gives what has gathered to the disk, unless it is busy: then it goes next.
    func begin() {
        guard job == nil, failure == nil, !isHeldBack, !isBlocked, newest != nil else { return }
        if let probe, probe.disturbs(.lateFlush) { return holdBack() }
        attempt()
    }

    private func attempt() {
        let next = LogWriteJob(store: store, operations: operations, id: newest, replies: replies) { [self] in
            loop.post(self)
        }
        operations = []
        replies = []
        newest = nil
        job = next
        disk.post(next)
    }

    /// One turn later, whatever has gathered until then.
    private func holdBack() {
        isHeldBack = true
        loop.post(
            Block { [self] in
                onLoop {
                    $0.isHeldBack = false
                    $0.begin()
                    $0.noteIdle()
                }
            })
    }

    nonisolated func activate() { onLoop(()) { me, _ in me.finish() } }

    private func finish() {
        guard let done = job, let result = done.result else { return }
        job = nil
        switch result {
        case .success:
            if isBlocked { probe?.reached(.logRoomAgain) }
            isBlocked = false
            if !isClosed { for held in done.replies { held.path.send(held.reply) } }
            if let id = done.id { mailbox.post(.durable(id)) }
            note(done.shortage)
            if !Mutant.isOn("writer-goes-to-sleep") { begin() }
        case .failure(let error) where error.code == .outOfSpace:
            probe?.reached(.logOutOfSpace)
            isBlocked = true
            replies = done.replies + replies
            newest = newest ?? done.id
            note(error)
        case .failure(let error):
            // What the kernel holds of a failed write nobody knows.
            fail(error)
        }
        noteIdle()
    }

    /// What all later writes stand on is not durable: nothing more is written, nothing more is said. The node hears of it
    /// behind what waits for it already, and must not acknowledge meanwhile what was never given to the disk.
    func fail(_ error: RaftError) {
        failure = error
        operations = []
        replies = []
        newest = nil
        mailbox.post(.writeFailed(error))
    }

    /// Tells the node when a shortage begins, and when it is over; until then the store is asked again.
    private func note(_ now: RaftError?) {
        if (now == nil) != (shortage == nil) { mailbox.post(.logRoom(now)) }
        shortage = now
        guard now != nil, !isAskingAgain else { return }
        isAskingAgain = true
        loop.after(Self.spaceInterval, Block { [self] in onLoop { $0.askAgain() } })
    }

    private func askAgain() {
        isAskingAgain = false
        guard shortage != nil, failure == nil, !isClosed else { return }
        // One that is under way asks again by itself.
        if job == nil, !isHeldBack { attempt() }
    }

    private func noteIdle() {
        guard job == nil, !isHeldBack else { return }
        for waiting in whenIdle { waiting() }
        whenIdle = []
    }

    /// Takes nothing more, and says nothing more. `done` is called on the loop once the disk is quiet.
    func close(_ done: @escaping @Sendable () -> Void) {
        isClosed = true
        if job == nil, !isHeldBack { done() } else { whenIdle.append(done) }
    }
}

/// One group of writes: run on the disk loop, then handed back to the log writer's.
final class LogWriteJob: Activated, @unchecked Sendable {
    // @unchecked: `replies` belongs to the node's loop; `result` and `shortage` are written on the disk loop before
    // `done`, which posts to the node's loop, and read there after.
    private let store: any LogStore
    private let operations: [LogOperation]
    /// Nil when nothing was to be written: only whether there is room was to be known.
    let id: WriteID?
    var replies: [HeldReply]
    private(set) var shortage: RaftError?
    private(set) var result: Result<Void, RaftError>?
    private let done: @Sendable () -> Void

    init(
        store: any LogStore, operations: [LogOperation], id: WriteID?, replies: [HeldReply],
        done: @escaping @Sendable () -> Void
    ) {
        self.store = store
        self.operations = operations
        self.id = id
        self.replies = replies
        self.done = done
    }

    func activate() {
        do {
            try store.write(operations)
            shortage = store.shortage
            result = .success(())
        } catch let error as RaftError {
            result = .failure(error)
        } catch {
            result = .failure(RaftError(.storage, "the log could not be written: \(error)"))
        }
        done()
    }
}
