internal import Raft
internal import RaftStorage

/// The state of a ``SimulatedFileSystem``: its files and directories, each as it is and as it would be after a crash.
struct SimulatedDisk {
    struct Write {
        var offset: Int
        var bytes: [UInt8]
    }

    struct Inode {
        var isDirectory: Bool
        var current: [UInt8] = []
        var durable: [UInt8] = []
        /// What was written since the last sync, in order; nil in place of a write means: emptied.
        var pending: [Write?] = []
        var lockHolder: (life: Int, file: ObjectIdentifier)?
    }

    enum EmptySyncs: CaseIterable { case ofFiles, ofDirectories }

    /// A change of the names in one directory.
    enum NameChange {
        case add(String, Int)
        case remove(String)
        /// Of this file: what else had the old name before and lost it does not come back by this.
        case rename(String, String, Int)
    }

    static let sectorSize = 512

    var inodes: [Inode] = [Inode(isDirectory: true)]
    /// Which process may use the files; a new one after every crash.
    var life = 0
    var isStopped = false
    var remainingChanges: Int?
    /// How many names are still made or changed before everything stops; nil for any number.
    var remainingNames: Int?
    var changeCount = 0
    var capacity: Int?
    var faults: [(operation: SimulatedFileSystem.Operation, text: String)] = []
    /// Syncs that say that all is well and do nothing: a disk that lies.
    var emptySyncs: EmptySyncs?
    /// What the disk was like before each change; nil while nobody asks.
    private(set) var history: [SimulatedDisk]?
    /// The change that came last, in words; only while there is a history.
    private(set) var lastChange = "nothing"

    private var names: [String: Int] = ["/": 0]
    private var durableNames: [String: Int] = ["/": 0]
    /// What was done to names since their directory was synced, in order.
    private var pendingNames: [(directory: String, change: NameChange)] = []

    // MARK: Looking

    func node(_ path: String) -> Inode? { names[path].map { inodes[$0] } }

    func file(_ path: String) -> Inode? { node(path).flatMap { $0.isDirectory ? nil : $0 } }

    func snapshot() -> [String: [UInt8]] {
        names.filter { !inodes[$0.value].isDirectory }.mapValues { inodes[$0].current }
    }

    func list(_ directory: String) throws(RaftError) -> [String] {
        try requireRunning()
        guard node(directory)?.isDirectory == true else { throw Self.failed("list", directory, "no such directory") }
        return names.keys.filter { $0 != "/" && Self.parent($0) == directory }.map { Self.name($0) }.sorted()
    }

    private static func parent(_ path: String) -> String {
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func name(_ path: String) -> String {
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))!
        return String(path[path.utf8.index(after: slash)...])
    }

    private static func failed(_ operation: String, _ path: String, _ reason: String) -> RaftError {
        RaftError(.storage, "cannot \(operation) \(path): \(reason)")
    }

    var byteCount: Int { names.values.reduce(0) { $0 + inodes[$1].current.count } }

    var nameCount: Int { names.count }

    /// Every name, in order, and what it names.
    var paths: [(path: String, inode: Int)] { names.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }

    var hasPendingNames: Bool { !pendingNames.isEmpty }

    var pendingNameCount: Int { pendingNames.count }

    // MARK: Changing

    func requireRunning(_ life: Int? = nil) throws(RaftError) {
        guard !isStopped, life ?? self.life == self.life else { throw RaftError(.storage, "the machine has stopped") }
    }

    /// Every change passes here once, before it happens.
    private mutating func beginChange(_ what: @autoclosure () -> String, _ life: Int? = nil) throws(RaftError) {
        try requireRunning(life)
        if let remaining = remainingChanges {
            guard remaining > 0 else {
                isStopped = true
                return try requireRunning()
            }
            remainingChanges = remaining - 1
        }
        if history != nil {
            note()
            lastChange = what()
        }
        changeCount += 1
    }

    mutating func beginHistory() { history = [] }

    /// What the disk was like before each change since ``beginHistory()``, and what it is like now.
    mutating func endHistory() -> [SimulatedDisk] {
        note()
        defer { history = nil }
        return history ?? []
    }

    private mutating func note() {
        var copy = self
        copy.history = nil
        history?.append(copy)
    }

    private mutating func failIfAsked(_ operation: SimulatedFileSystem.Operation, _ path: String) throws(RaftError) {
        guard let position = faults.firstIndex(where: { $0.operation == operation && path.contains($0.text) }) else {
            return
        }
        faults.remove(at: position)
        throw Self.failed("\(operation)", path, "Input/output error (error 5)")
    }

    mutating func open(_ path: String, _ mode: OpenMode) throws(RaftError) -> Int {
        try requireRunning()
        if let inode = names[path] {
            guard !inodes[inode].isDirectory else { throw Self.failed("open", path, "it is a directory") }
            if mode == .createEmpty, !inodes[inode].current.isEmpty {
                try beginChange("\(path) emptied")
                inodes[inode].current = []
                inodes[inode].pending.append(nil)
            }
            return inode
        }
        guard mode == .createOrKeep || mode == .createEmpty else { throw Self.failed("open", path, "no such file") }
        return try make(path, isDirectory: false)
    }

    mutating func makeDirectory(_ path: String) throws(RaftError) {
        guard names[path] == nil else { throw Self.failed("make directory", path, "it exists") }
        _ = try make(path, isDirectory: true)
    }

    private mutating func make(_ path: String, isDirectory: Bool) throws(RaftError) -> Int {
        let directory = Self.parent(path)
        guard node(directory)?.isDirectory == true else { throw Self.failed("make", path, "no such directory") }
        try beginChange("\(path) made")
        inodes.append(Inode(isDirectory: isDirectory))
        names[path] = inodes.count - 1
        pendingNames.append((directory, .add(path, inodes.count - 1)))
        noteName()
        return inodes.count - 1
    }

    mutating func rename(_ path: String, to newPath: String) throws(RaftError) {
        guard let inode = names[path] else { throw Self.failed("rename", path, "no such file") }
        precondition(Self.parent(path) == Self.parent(newPath), "the seam renames within one directory")
        try beginChange("\(path) renamed to \(Self.name(newPath))")
        names[path] = nil
        names[newPath] = inode
        pendingNames.append((Self.parent(path), .rename(path, newPath, inode)))
        noteName()
    }

    private mutating func noteName() {
        guard let remaining = remainingNames else { return }
        remainingNames = remaining > 1 ? remaining - 1 : nil
        if remaining <= 1 { isStopped = true }
    }

    mutating func remove(_ path: String) throws(RaftError) {
        guard names[path] != nil else { throw Self.failed("remove", path, "no such file") }
        try beginChange("\(path) removed")
        names[path] = nil
        pendingNames.append((Self.parent(path), .remove(path)))
    }

    mutating func write(
        _ bytes: [UInt8], at offset: Int, of inode: Int, _ path: String, _ life: Int
    ) throws(RaftError) {
        try beginChange("\(bytes.count) bytes written at \(offset) of \(path)", life)
        try failIfAsked(.write, path)
        let growth = max(0, offset + bytes.count - inodes[inode].current.count)
        if let capacity, byteCount + growth > capacity {
            throw RaftError(
                .outOfSpace,
                "cannot write \(bytes.count) bytes at offset \(offset) of \(path): No space left on device (error 28)")
        }
        Self.put(bytes[...], at: offset, into: &inodes[inode].current)
        inodes[inode].pending.append(Write(offset: offset, bytes: bytes))
    }

    mutating func sync(_ inode: Int, _ path: String, _ life: Int) throws(RaftError) {
        try beginChange("\(path) synced", life)
        do throws(RaftError) { try failIfAsked(.sync, path) } catch {
            // The kernel takes the pages for clean from now on: they can be read, and no later sync writes them.
            inodes[inode].pending = []
            throw error
        }
        if emptySyncs == .ofFiles { return }
        for write in inodes[inode].pending {
            if let write {
                Self.put(write.bytes[...], at: write.offset, into: &inodes[inode].durable)
            } else {
                inodes[inode].durable = []
            }
        }
        inodes[inode].pending = []
    }

    mutating func syncDirectory(_ path: String) throws(RaftError) {
        guard node(path)?.isDirectory == true else { throw Self.failed("sync directory", path, "no such directory") }
        try beginChange("directory \(path) synced")
        try failIfAsked(.sync, path)
        if emptySyncs == .ofDirectories { return }
        for (directory, change) in pendingNames where directory == path { apply(change) }
        pendingNames.removeAll { $0.directory == path }
    }

    private mutating func apply(_ change: NameChange) {
        switch change {
        case .add(let path, let inode): durableNames[path] = inode
        case .remove(let path): durableNames[path] = nil
        case .rename(let path, let newPath, let inode):
            // The making of the file, and the end of another that had its name, may be among what a crash loses.
            if durableNames[path] == inode { durableNames[path] = nil }
            durableNames[newPath] = inode
        }
    }

    private static func put(_ bytes: ArraySlice<UInt8>, at offset: Int, into image: inout [UInt8]) {
        let end = offset + bytes.count
        if image.count < end { image.append(contentsOf: [UInt8](repeating: 0, count: end - image.count)) }
        // As memory: byte by byte takes a debug build a millisecond for a page.
        image.withUnsafeMutableBytes { image in
            bytes.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: image[offset..<end]).copyMemory(from: $0)
            }
        }
    }

    // MARK: Faults

    mutating func damage(_ path: String, at offset: Int, mask: UInt8) {
        guard let inode = names[path], offset < inodes[inode].current.count else { return }
        inodes[inode].current[offset] ^= mask
        if offset < inodes[inode].durable.count { inodes[inode].durable[offset] ^= mask }
    }

    mutating func set(_ path: String, to bytes: [UInt8]?) {
        guard let bytes else {
            names[path] = nil
            durableNames[path] = nil
            return
        }
        inodes.append(Inode(isDirectory: false, current: bytes, durable: bytes))
        names[path] = inodes.count - 1
        durableNames[path] = inodes.count - 1
    }

    mutating func loseNames() {
        names = ["/": 0]
        durableNames = ["/": 0]
        pendingNames = []
    }

    mutating func erase() {
        for inode in inodes.indices {
            inodes[inode].current = []
            inodes[inode].durable = []
            inodes[inode].pending = []
        }
        isStopped = true
    }

    mutating func crash(using generator: inout some RandomNumberGenerator) {
        for inode in inodes.indices {
            for write in inodes[inode].pending { keepSome(of: write, in: inode, using: &generator) }
            inodes[inode].pending = []
            inodes[inode].lockHolder = nil
        }
        for (_, change) in pendingNames where Bool.random(using: &generator) { apply(change) }
        loseTheRest()
    }

    /// Ends a power cut: what is durable by now is all that there is.
    private mutating func loseTheRest() {
        pendingNames = []
        // What is in a directory whose own name was lost is lost with it.
        for path in durableNames.keys.sorted() where path != "/" && durableNames[Self.parent(path)] == nil {
            durableNames[path] = nil
        }
        names = durableNames
        for inode in inodes.indices { inodes[inode].current = inodes[inode].durable }
        beginLife()
    }

    /// Time passes: everything that was written is durable.
    mutating func settle() {
        for inode in inodes.indices {
            for write in inodes[inode].pending { keep(.kept, of: write, in: inode) }
            inodes[inode].pending = []
        }
        for (_, change) in pendingNames { apply(change) }
        pendingNames = []
    }

    /// The power fails, and leaves exactly this of what was not durable.
    mutating func crash(leaving survivors: CrashSurvivors) {
        var fates = survivors.writes.makeIterator()
        for inode in inodes.indices {
            for write in inodes[inode].pending { keep(fates.next() ?? .lost, of: write, in: inode) }
            inodes[inode].pending = []
            inodes[inode].lockHolder = nil
        }
        for (isKept, (_, change)) in zip(survivors.names, pendingNames) where isKept { apply(change) }
        loseTheRest()
    }

    private mutating func keep(_ fate: CrashSurvivors.Fate, of write: Write?, in inode: Int) {
        guard let write else {
            if fate == .kept { inodes[inode].durable = [] }
            return
        }
        let all = 0..<write.bytes.count
        let parts: [Range<Int>]
        switch fate {
        case .lost: parts = []
        case .kept: parts = [all]
        case .through(let count): parts = [0..<min(count, all.upperBound)]
        case .only(let part): parts = [part.clamped(to: all)]
        case .without(let part): parts = [0..<part.lowerBound, part.upperBound..<all.upperBound]
        case .zeros:
            let growth = write.offset + write.bytes.count - inodes[inode].durable.count
            if growth > 0 { inodes[inode].durable.append(contentsOf: [UInt8](repeating: 0, count: growth)) }
            parts = []
        }
        for part in parts where !part.isEmpty {
            Self.put(write.bytes[part], at: write.offset + part.lowerBound, into: &inodes[inode].durable)
        }
    }

    /// Nothing that the last process waited for, or held open, is left.
    mutating func beginLife() {
        life += 1
        isStopped = false
        remainingChanges = nil
        remainingNames = nil
        faults = []
    }

    private mutating func keepSome(of write: Write?, in inode: Int, using generator: inout some RandomNumberGenerator) {
        let fate = UInt8.random(in: 0..<3, using: &generator)
        guard let write else {
            if fate > 0 { inodes[inode].durable = [] }
            return
        }
        switch fate {
        case 0: break
        case 1: Self.put(write.bytes[...], at: write.offset, into: &inodes[inode].durable)
        default:
            var start = 0
            while start < write.bytes.count {
                let sector = (write.offset + start) / Self.sectorSize
                let end = min((sector + 1) * Self.sectorSize - write.offset, write.bytes.count)
                if Bool.random(using: &generator) {
                    Self.put(write.bytes[start..<end], at: write.offset + start, into: &inodes[inode].durable)
                }
                start = end
            }
        }
    }
}
