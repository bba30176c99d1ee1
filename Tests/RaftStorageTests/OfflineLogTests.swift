import Raft
import RaftSimulation
import RaftStorage
import TestTraits
import Testing

@Suite("The log of a node that does not run", .heavy)
struct OfflineLogTests {
    /// A log whose writes are these entries, one frame for each.
    private func disk(_ batches: EntryBatch...) throws -> SimulatedFileSystem {
        let disk = SimulatedFileSystem()
        let store = try OpenLog(disk)
        for batch in batches { try store.log.write([.append(batch)]) }
        store.close()
        return disk
    }

    @Test("It is only read: a write is refused, and it wants for no space")
    func readOnly() throws {
        let log = try OfflineLog(directoryPath, fileSystem: disk(entries(1, term: 1, sizes: [10])))
        defer { log.close() }
        let refusal = error(.storage) { try log.write([.append(entries(2, term: 1, sizes: [10]))]) }
        #expect(refusal?.message == "this log is only read")
        #expect(log.shortage == nil)
        #expect(log.last == LogID(term: 1, index: 1))
    }

    @Test("A file that ends before what was found in it is noticed by whoever reads, with file and offset")
    func shortened() throws {
        let disk = try disk(entries(1, term: 1, sizes: [132]), entries(2, term: 1, sizes: [10]))
        let log = try OfflineLog(directoryPath, fileSystem: disk)
        defer { log.close() }
        #expect(try log.read(from: 1, through: 2, maximumBytes: 1000).count == 2)
        // The file that is open.
        try disk.open(firstSegment, .createEmpty).close()
        let refusal = error(.corrupt) { _ = try log.read(from: 1, through: 2, maximumBytes: 1000) }
        #expect(refusal?.message.contains("the file ends after 0 of ") == true, "\(refusal?.message ?? "")")
        #expect(refusal?.message.contains(firstSegment) == true)
    }
}
