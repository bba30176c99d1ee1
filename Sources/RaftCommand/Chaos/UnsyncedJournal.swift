internal import Foundation
internal import Raft

#if canImport(Glibc)
    internal import Glibc
#endif

/// What the library of CDropUnsynced wrote down of one node's files, and how a power cut is made out of it.
///
/// Its header says what a record is. A change that no later sync of its file covers is undone, the newest first; so is
/// every name that was given or taken away and whose directory was not synced since.
struct UnsyncedJournal {
    enum Kind: UInt32 {
        case write = 1
        case sync, create, rename, unlink, makeDirectory, syncDirectory, writeOverZeros
    }

    struct Record {
        var kind: Kind
        /// Where it begins in the journal.
        var position: UInt64
        var file: UInt64 = 0
        var offset: Int64 = 0
        var oldSize: Int64 = 0
        var through: UInt64 = 0
        var path = ""
        var otherPath = ""
        var bytes: Range<Int> = 0..<0
    }

    /// What was undone.
    struct Loss: Hashable, Sendable {
        var writes = 0
        var names = 0
    }

    static let headerSize = 56
    static let magic: UInt32 = 0x5244_4E55

    private let directory: String
    private let data: Data

    static func exists(in directory: String) -> Bool {
        FileManager.default.fileExists(atPath: directory + "/journal")
    }

    /// - Parameter directory: where the library was told to keep its journal. The process that wrote it has ended.
    init(_ directory: String) throws(Failure) {
        self.directory = directory
        guard let data = FileManager.default.contents(atPath: directory + "/journal") else {
            throw Failure(
                .refused, "no journal in \(directory): the library that drops what was not synced was not loaded")
        }
        self.data = data
    }

    /// Every whole record; what follows the last one was cut off by the kill, and its change was never made.
    var records: [Record] {
        var records: [Record] = []
        var position = 0
        while position + Self.headerSize <= data.count {
            let header = data.subdata(in: position..<position + Self.headerSize)
            func number<Number: FixedWidthInteger>(_ offset: Int, _: Number.Type) -> Number {
                header.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
            }
            guard number(0, UInt32.self) == Self.magic, let kind = Kind(rawValue: number(4, UInt32.self)) else { break }
            let pathEnd = position + Self.headerSize + Int(number(40, UInt32.self))
            let otherEnd = pathEnd + Int(number(44, UInt32.self))
            let end = otherEnd + Int(number(48, UInt64.self))
            guard end <= data.count else { break }
            records.append(
                Record(
                    kind: kind, position: UInt64(position), file: number(8, UInt64.self),
                    offset: number(16, Int64.self), oldSize: number(24, Int64.self), through: number(32, UInt64.self),
                    path: String(decoding: data[(position + Self.headerSize)..<pathEnd], as: UTF8.self),
                    otherPath: String(decoding: data[pathEnd..<otherEnd], as: UTF8.self), bytes: otherEnd..<end))
            position = end
        }
        return records
    }

    /// Puts the files back to what was synced, and begins the journal anew.
    ///
    /// - Parameters:
    ///   - keptShare: of how many sectors that were not synced the new bytes are there all the same, 0 to 1: a disk is
    ///     free to write them before it is told to, in any order. Above 0, names may be there, too, up to one by chance.
    ///   - random: decides which.
    func cutPower(keptShare: Double = 0, random: inout RandomSource) throws(Failure) -> Loss {
        let records = records
        // Up to where in the journal each file, and each directory's names, are durable.
        var files: [UInt64: UInt64] = [:]
        var directories: [String: UInt64] = [:]
        for record in records {
            switch record.kind {
            case .sync: files[record.file] = max(files[record.file] ?? 0, record.through)
            case .syncDirectory: directories[record.path] = max(directories[record.path] ?? 0, record.through)
            default: break
            }
        }
        func isDurable(_ record: Record, in path: String) -> Bool {
            let parent = (path as NSString).deletingLastPathComponent
            return record.position < directories[parent] ?? 0
        }
        var unsynced: [UInt64: Int64] = [:]
        var lostNames: [UInt64] = []
        for record in records {
            switch record.kind {
            case .write, .writeOverZeros:
                if record.position < files[record.file] ?? 0 { continue }
                unsynced[record.file] = min(unsynced[record.file] ?? .max, record.offset, record.oldSize)
            case .create, .makeDirectory, .unlink:
                if !isDurable(record, in: record.path) { lostNames.append(record.position) }
            case .rename: if !isDurable(record, in: record.otherPath) { lostNames.append(record.position) }
            default: break
            }
        }
        let isPartial = keptShare > 0
        let written = isPartial ? unsynced.mapValues { $0 / Self.sectorSize * Self.sectorSize } : [:]
        let tails = Dictionary(uniqueKeysWithValues: written.map { ($0.key, tail(of: $0.key, from: $0.value)) })
        // Names become durable in their order.
        let keptNames = isPartial ? Int(random.next() % UInt64(lostNames.count + 1)) : 0
        let firstLostName = lostNames.dropFirst(keptNames).first ?? .max
        func isThere(_ record: Record, in path: String) -> Bool {
            isDurable(record, in: path) || (isPartial && record.position < firstLostName)
        }
        var loss = Loss()
        for record in records.reversed() {
            switch record.kind {
            case .sync, .syncDirectory: continue
            case .write, .writeOverZeros:
                if record.position < files[record.file] ?? 0 { continue }
                try undoWrite(record)
                loss.writes += 1
                continue
            case .create:
                if isThere(record, in: record.path) { continue }
                Glibc.unlink(record.path)
            case .makeDirectory:
                if isThere(record, in: record.path) { continue }
                try? FileManager.default.removeItem(atPath: record.path)
            case .rename:
                if isThere(record, in: record.otherPath) { continue }
                if access(record.path, F_OK) != 0 { Glibc.rename(record.otherPath, record.path) }
                if record.file != 0 { try bringBack(record.file, as: record.otherPath) }
            case .unlink:
                if isThere(record, in: record.path) { continue }
                try bringBack(record.file, as: record.path)
            }
            loss.names += 1
        }
        for (file, tail) in tails.sorted(by: { $0.key < $1.key }) {
            try keep(tail, from: written[file]!, of: file, share: keptShare, &random)
        }
        do {
            try FileManager.default.removeItem(atPath: directory)
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        } catch {
            throw Failure(.refused, "cannot empty \(directory): \(error.localizedDescription)")
        }
        return loss
    }

    private func undoWrite(_ record: Record) throws(Failure) {
        let path = "\(directory)/\(record.file)"
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else {
            // A file that was opened and emptied before it had its second name, and had none before.
            if errno == ENOENT, record.oldSize == 0 { return }
            throw .system("open", path)
        }
        defer { close(file) }
        let bytes = record.kind == .write ? data[record.bytes] : Data(count: Int(record.through))
        let written = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(record.offset)) }
        guard written == bytes.count, ftruncate(file, off_t(record.oldSize)) == 0 else {
            throw .system("undo a write of", path)
        }
    }

    static let sectorSize: Int64 = 512

    private func tail(of file: UInt64, from offset: Int64) -> Data {
        guard let handle = FileHandle(forReadingAtPath: "\(directory)/\(file)") else { return Data() }
        defer { try? handle.close() }
        try? handle.seek(toOffset: UInt64(offset))
        return (try? handle.readToEnd()) ?? Data()
    }

    /// Puts some of the sectors back that were undone.
    private func keep(
        _ tail: Data, from offset: Int64, of file: UInt64, share: Double, _ random: inout RandomSource
    ) throws(Failure) {
        let path = "\(directory)/\(file)"
        let now = self.tail(of: file, from: offset)
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        for start in stride(from: 0, to: tail.count, by: Int(Self.sectorSize)) {
            let range = start..<min(start + Int(Self.sectorSize), tail.count)
            let sector = tail.subdata(in: range)
            if range.upperBound <= now.count, sector == now.subdata(in: range) { continue }
            guard Double(random.next() >> 11) / Double(1 << 53) < share else { continue }
            let count = sector.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset) + off_t(start))
            }
            guard count == sector.count else { throw .system("write", path) }
        }
    }

    private func bringBack(_ file: UInt64, as path: String) throws(Failure) {
        let kept = "\(directory)/\(file)"
        guard link(kept, path) == 0 || errno == EEXIST else { throw .system("bring back", path) }
    }
}
