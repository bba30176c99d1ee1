/// The node as others see it, from any thread: its mailbox, what it says of itself, and its status.
final class NodePort: PeerReceiver, Sendable {
    private struct Published: Sendable {
        var hello: Hello
        var configuration: ClusterConfiguration?
        var status: NodeStatus {
            didSet { version += 1 }
        }
        /// How often the status has been written.
        var version: UInt64 = 0
        var isWatched = false
        var hasEnded = false
    }

    /// How many requests of peers may wait beside a mailbox full of callers.
    private static let peerHeadroom = 4096

    let mailbox: Mailbox<Message>
    private let published: Lock<Published>

    private let peers: any PeerMemory
    private let forwards: ForwardReceiver?
    private let watchers = Watchers()

    /// - Parameter forwards: who takes writes that members pass on; nil where nobody does.
    init(
        settings: Configuration, mailbox: Mailbox<Message>, peers: any PeerMemory, forwards: ForwardReceiver? = nil
    ) {
        self.mailbox = mailbox
        self.forwards = forwards
        self.peers = peers
        published = Lock(
            Published(
                hello: Hello(
                    cluster: settings.cluster, node: settings.id, incarnation: Incarnation(rawValue: 0),
                    bootstrap: nil, configuration: .zero),
                status: NodeStatus(notStarted: settings.id, cluster: settings.cluster)))
    }

    var hello: Hello { published.withLock { $0.hello } }
    var status: NodeStatus { published.withLock { $0.status } }

    /// Looks at the status where it is. `look` must not come back to this node.
    @inline(__always)
    func withStatus<Result>(_ look: (NodeStatus) -> Result) -> Result {
        published.withLock { look($0.status) }
    }

    /// The same, unless it has not been written since it had this version; then false.
    @inline(__always)
    func withStatus(after version: inout UInt64, _ look: (NodeStatus) -> Void) -> Bool {
        published.withLock { published in
            guard published.version != version else { return false }
            version = published.version
            look(published.status)
            return true
        }
    }

    func address(of id: NodeID) -> String? { published.withLock { $0.configuration?.address(of: id) } }

    /// The configuration that a turn has decided on, before anything of that turn happens.
    func announce(_ configuration: ClusterConfiguration?, _ id: LogID) {
        published.withLock { published in
            guard published.hello.configuration != id else { return }
            published.hello.configuration = id
            published.configuration = configuration
            published.status.configuration = configuration
            published.status.configurationID = id
        }
    }

    /// Whether this life of a member may have a say: none other is bound to its id.
    func isCounted(_ id: NodeID, _ incarnation: Incarnation) -> Bool {
        let configuration = published.withLock { $0.configuration }
        guard let member = configuration?.member(id) else { return false }
        guard member.incarnation == nil else { return member.incarnation == incarnation }
        return peers.incarnation(of: id).map { $0 == incarnation } ?? true
    }

    /// Whether the log of this life began with entries of a leader.
    func hasJoined(_ incarnation: Incarnation) -> Bool { peers.incarnation(of: hello.node) == incarnation }

    /// Keeps that the log of this life begins with entries of a leader: an entry under the node's own id.
    func rememberJoining() throws(RaftError) {
        let own = hello
        do { try peers.remember(own.incarnation, of: own.node) } catch {
            throw RaftError(.storage, "it cannot be kept that this node joined its cluster: \(error)")
        }
    }

    // MARK: Watching

    /// Tells `watcher` how things are, and from then on each change, until it or the node has ended.
    func watch(_ watcher: Watcher) {
        watchers.add(watcher) {
            published.withLock { published in
                published.isWatched = true
                return (published.status, published.hasEnded)
            }
        }
    }

    /// Called after each change, by the node's loop, if anybody watches.
    private func tellWatchers() {
        watchers.tell {
            published.withLock { ($0.status, $0.hasEnded) }
        } whenEmpty: {
            published.withLock { $0.isWatched = false }
        }
    }

    /// Tells whoever watches something that is not in the status.
    func tell(_ event: NodeEvent) { watchers.tell(event) }

    // MARK: Publishing

    func publish(_ status: NodeStatus, configurationID: LogID, bootstrap: UInt64?) {
        let isWatched = published.withLock { published in
            published.status = status
            published.hello.incarnation = status.incarnation
            published.hello.configuration = configurationID
            published.hello.bootstrap = bootstrap
            published.configuration = status.configuration
            return published.isWatched
        }
        if isWatched { tellWatchers() }
    }

    /// What the role in office says of itself, in place. Returns when it wants to be woken.
    func update(_ report: (inout NodeStatus) -> RoleReport) -> Instant? {
        let (deadline, isWatched) = published.withLock { published in
            let told = report(&published.status)
            published.hello.configuration = told.configurationID
            published.hello.bootstrap = told.bootstrap
            published.configuration = published.status.configuration
            return (told.deadline, published.isWatched)
        }
        if isWatched { tellWatchers() }
        return deadline
    }

    func publishStop(_ reason: RaftError?) {
        let isWatched = published.withLock { published in
            published.hasEnded = true
            published.status.role = .stopped
            published.status.leader = nil
            published.status.endLeadership()
            if published.status.stopReason == nil { published.status.stopReason = reason }
            return published.isWatched
        }
        if isWatched { tellWatchers() }
    }

    /// A valid certificate first (the transport has seen to that), then membership, by the newer
    /// configuration.
    func admit(_ hello: Hello) -> Admission {
        let (mine, configuration, commitIndex) = published.withLock {
            ($0.hello, $0.configuration, $0.status.commitIndex)
        }
        guard hello.cluster == mine.cluster else {
            return .refused("this node is of cluster \(mine.cluster), not \(hello.cluster)")
        }
        guard hello.node != mine.node else {
            return .refused("this is node \(mine.node) too; two nodes cannot have one id")
        }
        if let theirs = hello.bootstrap, let ours = mine.bootstrap, theirs != ours {
            return .refused(
                "node \(hello.node) belongs to another cluster of the name \(mine.cluster): one of the two was bootstrapped with other members, restored from another snapshot, or recovered; a node that shall belong to this one needs an empty directory"
            )
        }
        if let configuration, !configuration.contains(hello.node), mine.configuration >= hello.configuration {
            if configuration.isRemoved(hello.node, hello.incarnation) {
                guard commitIndex < mine.configuration.index else {
                    return .removed("node \(hello.node) was removed from the cluster")
                }
                // Not yet: it may be undone, and a leader that is to go leads until it is committed, which may need links
                // that are not there yet (dissertation §4.2.2). Only the life that was a member until then.
                if let known = peers.incarnation(of: hello.node), known != hello.incarnation {
                    return Self.otherLife(hello, than: known)
                }
                return .accepted
            }
            return .refused(
                "node \(hello.node) is not a member in configuration \(mine.configuration): \(configuration.members.map(\.id))"
            )
        }
        guard let configuration, let member = configuration.member(hello.node) else { return .accepted }
        return recognise(hello, as: member, in: configuration, isNewer: hello.configuration > mine.configuration)
    }

    /// Another life of a member is another node: its first one may have voted, and acknowledged entries that this one
    /// does not have. The configuration says which life is the member; as long as it does not, the first one that was
    /// met here, if it votes.
    ///
    /// One with a newer configuration has it from a leader that knows this life: since then the first one may have been
    /// removed, and this one added, and lead. Nothing that it says is counted before this node knows that, too.
    private func recognise(
        _ hello: Hello, as member: ClusterConfiguration.Member, in configuration: ClusterConfiguration, isNewer: Bool
    ) -> Admission {
        if let bound = member.incarnation {
            guard bound == hello.incarnation || isNewer else { return Self.otherLife(hello, than: bound) }
            return .accepted
        }
        let earlier = ClusterConfiguration.Removed(id: hello.node, incarnation: hello.incarnation)
        guard !configuration.removed.contains(earlier) else {
            return .refused(
                "node \(hello.node) came with the data of the member that was removed, incarnation \(hello.incarnation); start it with an empty data directory"
            )
        }
        // It says nothing that counts before a leader binds it.
        guard configuration.isVoter(hello.node) else { return .accepted }
        guard let known = peers.incarnation(of: hello.node) else {
            do { try peers.remember(hello.incarnation, of: hello.node) } catch {
                return .refused("node \(hello.node) cannot be recorded here: \(error)")
            }
            return .accepted
        }
        guard known == hello.incarnation || isNewer else { return Self.otherLife(hello, than: known) }
        return .accepted
    }

    private static func otherLife(_ hello: Hello, than known: Incarnation) -> Admission {
        if Mutant.isOn("lost-disk-votes") { return .accepted }
        return .refused(
            "node \(hello.node) came back without its data: it was incarnation \(known), and is \(hello.incarnation) now. A member that lost its disk must not vote again under its old id; give it back the data directory that it had (an older copy would have forgotten votes), or remove the member and add it again"
        )
    }

    func connectionBroke(from peer: NodeID) {
        _ = mailbox.offer(.connectionBroke(from: peer), headroom: Self.peerHeadroom)
    }

    func receive(_ request: PeerRequest, reply: any ReplyPath) {
        if case .forward(let write) = request {
            let isMember = published.withLock { $0.configuration?.contains(write.sender) } ?? false
            forwards?.receive(write, isMember: isMember, reply: reply)
            return
        }
        // Full or closed: lost, which Raft bears. Callers fill the mailbox first: a crowd of them must not look like
        // dead peers.
        _ = mailbox.offer(.request(request, reply: reply), headroom: Self.peerHeadroom)
    }
}
