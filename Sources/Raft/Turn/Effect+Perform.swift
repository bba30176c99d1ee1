/// Everything that a turn can reach: the only place where effects happen.
final class Devices: Sendable {
    private let writer: LogWriter
    private let applier: any ApplierPort
    private let streams: StreamKeeper
    private let votes: VoteKeeper
    private let forwards: ForwardKeeper
    private let port: NodePort
    private let snapshots: SnapshotKeeper
    private let log: @Sendable (Note) -> Void

    init(
        writer: LogWriter, applier: any ApplierPort, streams: StreamKeeper, votes: VoteKeeper,
        forwards: ForwardKeeper, port: NodePort, snapshots: SnapshotKeeper, log: @escaping @Sendable (Note) -> Void
    ) {
        self.forwards = forwards
        self.port = port
        self.writer = writer
        self.applier = applier
        self.streams = streams
        self.votes = votes
        self.snapshots = snapshots
        self.log = log
    }

    /// Who looks up an address, or whether somebody may be a peer, while the turn's effects are performed, must see
    /// the configuration that the turn decided on.
    func announce(_ configuration: ClusterConfiguration?, _ id: LogID) { port.announce(configuration, id) }

    /// Performs what a turn decided, in order. Called on the loop.
    func perform(_ effects: [Effect]) {
        guard !effects.isEmpty else { return }
        var hasWritten = false
        for effect in effects {
            switch effect {
            case .write(let operations, let id, let replies):
                writer.onLoop((operations, id, replies)) { $0.add($1.0, id: $1.1, replies: $1.2) }
                hasWritten = true
            case .reply(let held):
                held.path.send(held.reply)
            case .replyAfterWrites(let held):
                writer.onLoop(held) { $0.releaseAfterWrites($1) }
            case .requestVotes(let voters, let request):
                votes.onLoop { $0.ask(voters, request) }
            case .keepStreams(let peers):
                streams.onLoop { $0.keep(peers) }
                snapshots.onLoop { $0.keep(peers) }
            case .rememberJoining:
                do { try port.rememberJoining() } catch {
                    writer.onLoop { $0.fail(error) }
                    return  // Nothing that stands on it may happen.
                }
            case .append(let peer, let id, let order):
                streams.onLoop((order, peer, id)) { $0.append($1.0, to: $1.1, on: $1.2) }
            case .heartbeat(let peer, let id, let request):
                streams.onLoop((request, peer, id)) { $0.send(.heartbeat($1.0), to: $1.1, on: $1.2) }
            case .timeoutNow(let peer, let id, let request):
                streams.onLoop { $0.send(.timeoutNow(request), to: peer, on: id) }
            case .askReadIndex(let leader, let request):
                votes.onLoop { $0.ask(leader, .readIndex(request)) }
            case .probe(let suspicion):
                votes.onLoop { $0.probe(suspicion) }
            case .forward(let leader, let proposal):
                forwards.onLoop { $0.forward(proposal, to: leader) }
            case .apply(let order):
                applier.apply(order)
            case .buildSnapshot(let id):
                applier.build(id)
            case .abortBuild:
                applier.abortBuild()
            case .installSnapshot(let manifest):
                applier.install(manifest)
            case .sendSnapshot(let peer, let order):
                snapshots.onLoop { $0.send(order, to: peer) }
            case .endSnapshot(let peer):
                snapshots.onLoop { $0.end(peer) }
            case .receiveSnapshot(let piece):
                snapshots.onLoop { $0.receive(piece) }
            case .endReceipt(let id):
                snapshots.onLoop { $0.endReceipt(id) }
            case .discardSnapshot(let id):
                snapshots.onLoop { $0.discard(id) }
            case .pruneSnapshots(let index):
                snapshots.onLoop { $0.prune(endingBefore: index) }
            case .succeedSnapshot(let tickets, let manifest):
                for ticket in tickets { ticket.succeed(manifest) }
            case .sweepSessions:
                applier.sweepSessions()
            case .serveReads(let tickets, let index):
                applier.serve(tickets, at: index)
            case .fail(let tickets, let error):
                for ticket in tickets { ticket.fail(error) }
            case .succeed(let ticket):
                ticket.succeed()
            case .note(let note):
                log(note)
            }
        }
        if hasWritten { writer.onLoop(()) { writer, _ in writer.begin() } }
    }
}
