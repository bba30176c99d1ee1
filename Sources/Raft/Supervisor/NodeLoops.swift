/// Where a node's work happens. A node's actors share the first; what may block has loops of its own.
public struct NodeLoops: Sendable {
    /// The node's loop: roles, streams, timers, and the transport's callbacks.
    public var loop: any Loop
    /// Writes to the log.
    public var disk: any Loop
    /// The state machine, unless it is inline.
    public var apply: any Loop
    /// Reads of old entries, and snapshots that are sent or received.
    public var reads: any Loop
    /// Where snapshots are built: busy for as long as one is.
    public var builds: any Loop
    /// Called once, when the node has ended and needs none of them any more.
    public var release: @Sendable () -> Void

    public init(
        loop: any Loop, disk: any Loop, apply: any Loop, reads: any Loop, builds: (any Loop)? = nil,
        release: @escaping @Sendable () -> Void = {}
    ) {
        self.loop = loop
        self.disk = disk
        self.apply = apply
        self.reads = reads
        self.builds = builds ?? reads
        self.release = release
    }

    /// Five threads of its own, which end with the node.
    public static func threads(name: String = "raft") -> NodeLoops {
        let loop = ThreadLoop(name: name)
        var loops = with(loop, name: name)
        let release = loops.release
        loops.release = {
            release()
            loop.stop()
        }
        return loops
    }

    /// A loop that is there already (an event loop, say), which outlives the node; and four threads of its own, which
    /// end with it.
    public static func with(_ loop: any Loop, name: String = "raft") -> NodeLoops {
        let own = [
            ThreadLoop(name: "\(name)-disk"), ThreadLoop(name: "\(name)-apply"),
            ThreadLoop(name: "\(name)-read", isBackground: true), ThreadLoop(name: "\(name)-snap", isBackground: true),
        ]
        return NodeLoops(loop: loop, disk: own[0], apply: own[1], reads: own[2], builds: own[3]) {
            for loop in own { loop.stop() }
        }
    }
}
