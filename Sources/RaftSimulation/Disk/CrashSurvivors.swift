/// What a power cut leaves of all that was not durable.
struct CrashSurvivors: Hashable, CustomStringConvertible {
    /// What is left of one write. The ranges are positions in its bytes.
    enum Fate: Hashable {
        case kept
        case lost
        /// So many bytes of its front.
        case through(Int)
        case only(Range<Int>)
        case without(Range<Int>)
        /// The file has grown, and nothing of the bytes is there.
        case zeros
    }

    /// Of each write that was not synced: file by file, and of one file in order.
    var writes: [Fate]
    /// Of each making, renaming and removing in a directory that was not synced, in order: whether it is kept.
    var names: [Bool]

    var description: String {
        let writes = writes.map { "\($0)" }.joined(separator: ", ")
        let names = names.map { $0 ? "kept" : "lost" }.joined(separator: ", ")
        return "writes [\(writes)], names [\(names)]"
    }
}

extension SimulatedDisk {
    /// At these bytes a write is torn, besides every sector's boundary.
    private static let tears = [1, 512, 4096]
    /// Of a long write so many of the first and of the last sectors are looked at one by one.
    private static let sectorCount = 16
    /// Of many writes, or names, so many of the last are looked at one by one; all before them are kept together, or
    /// lost together. (What a process writes into its lock is never synced.)
    private static let eachCount = 8

    /// What a power cut may leave at this moment: nothing and all of what is not durable; each write and each name
    /// alone kept, alone lost, and with all before it; the last write of each file torn, in parts, or as zeros in a
    /// file that has grown. Each of the writes' with each of the names'.
    var survivors: [CrashSurvivors] {
        let names = Self.choices(pendingNameCount)
        return writeFates.flatMap { writes in names.map { CrashSurvivors(writes: writes, names: $0) } }
    }

    /// All, none, each alone, each alone not, and the first so many.
    private static func choices(_ count: Int) -> [[Bool]] {
        let first = max(0, count - eachCount)
        var choices = [[Bool](repeating: true, count: count), [Bool](repeating: false, count: count)]
        for end in first..<count { choices.append((0..<count).map { $0 < end }) }
        for position in first..<count {
            choices.append((0..<count).map { $0 == position })
            choices.append((0..<count).map { $0 != position })
        }
        var seen: Set<[Bool]> = []
        return choices.filter { seen.insert($0).inserted }
    }

    private var writeFates: [[CrashSurvivors.Fate]] {
        let count = inodes.reduce(0) { $0 + $1.pending.count }
        var all = Self.choices(count).map { $0.map { $0 ? CrashSurvivors.Fate.kept : .lost } }
        var position = 0
        for inode in inodes where !inode.pending.isEmpty {
            position += inode.pending.count
            guard position > count - Self.eachCount else { continue }
            guard case let write?? = inode.pending.last else { continue }
            for fate in Self.partFates(write, fileSize: inode.durable.count) {
                var fates = [CrashSurvivors.Fate](repeating: .kept, count: count)
                fates[position - 1] = fate
                all.append(fates)
            }
        }
        return all
    }

    private static func partFates(_ write: Write, fileSize: Int) -> [CrashSurvivors.Fate] {
        let count = write.bytes.count
        var fates: [CrashSurvivors.Fate] = tears.filter { $0 < count }.map { .through($0) }
        if write.offset + count > fileSize { fates.append(.zeros) }
        var sectors: [Range<Int>] = []
        var start = 0
        while start < count {
            let end = min(((write.offset + start) / sectorSize + 1) * sectorSize - write.offset, count)
            sectors.append(start..<end)
            start = end
        }
        guard sectors.count > 1 else { return fates }
        for (position, sector) in sectors.enumerated()
        where position < sectorCount || position >= sectors.count - sectorCount {
            fates += [.through(sector.upperBound), .only(sector), .without(sector)]
        }
        return fates
    }

    /// The hashes of the files that a crash at this moment leaves as they are.
    var settledHashes: [Int: Int] {
        var hashes: [Int: Int] = [:]
        for (position, inode) in inodes.enumerated() where inode.pending.isEmpty {
            hashes[position] = Self.hash(inode.durable)
        }
        return hashes
    }

    /// Equal for two disks that look the same to a process that begins now.
    ///
    /// - Parameter settled: of the moment of the crash.
    func imageHash(_ settled: [Int: Int]) -> Int {
        var hasher = Hasher()
        for (path, inode) in paths {
            hasher.combine(path)
            hasher.combine(settled[inode] ?? Self.hash(inodes[inode].current))
        }
        return hasher.finalize()
    }

    private static func hash(_ bytes: [UInt8]) -> Int {
        var hasher = Hasher()
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        hasher.combine(bytes.count)
        return hasher.finalize()
    }
}
