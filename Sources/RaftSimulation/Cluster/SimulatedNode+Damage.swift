internal import Raft

/// Bits of its disk that turn over.
extension SimulatedNode {
    /// Stands for the file of the newest snapshot, whichever that is.
    static let newestSnapshot = "snapshots/newest"

    func rot(_ file: String, perMille: Int, bit: Int) {
        let file = file == Self.newestSnapshot ? newestSnapshotFile ?? file : file
        guard let count = fileSystem.contents(of: "\(path)/\(file)")?.count, count > 0 else { return }
        damage(file, at: count * perMille / 1000, bit: bit)
    }

    private var newestSnapshotFile: String? {
        // Their names begin with the index.
        let names = (try? fileSystem.list("\(path)/snapshots")) ?? []
        return names.last { $0.hasSuffix(".snapshot") }.map { "snapshots/\($0)" }
    }

    /// Turns one bit over: of a file that ``damageableFiles`` names.
    func damage(_ file: String, at offset: Int, bit: Int) {
        isRotten = true
        checker.rotted(id)
        if file == newestSnapshotFile, !isUp { checker.damagedSnapshot(of: id) }
        fileSystem.damage("\(path)/\(file)", at: offset, mask: 1 << UInt8(bit))
    }

    /// The log, the vote and the snapshots, and how long each file is.
    var damageableFiles: [(name: String, byteCount: Int)] {
        let snapshots = ((try? fileSystem.list("\(path)/snapshots")) ?? []).map { "snapshots/\($0)" }
        return (files + snapshots).compactMap { name in
            fileSystem.contents(of: "\(path)/\(name)").map { (name, $0.count) }
        }
    }

    /// The segment that holds the end of the log, and where in it, in thousandths.
    var logEnd: (file: String, perMille: Int)? {
        for file in files.reversed() where file.hasSuffix(".segment") {
            guard let bytes = fileSystem.contents(of: "\(path)/\(file)"), bytes.count > 4096,
                let last = bytes[4096...].lastIndex(where: { $0 != 0 })
            else { continue }
            return (file, last * 1000 / bytes.count)
        }
        return nil
    }

    /// The files that can rot, in order.
    var files: [String] {
        let names = ((try? fileSystem.list("\(path)/log")) ?? []).map { "log/\($0)" }
        return ["vote", "identity", "peers"].filter { fileSystem.contents(of: "\(path)/\($0)") != nil } + names
    }
}
