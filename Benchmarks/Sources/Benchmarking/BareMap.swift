internal import CBareFloors
internal import Glibc

/// LMDB with nothing above it, opened with the flags of the key-value machine.
public final class BareMap {
    private let map: OpaquePointer
    private let directory: String

    /// - Parameters:
    ///   - directory: made for it; whatever LMDB has there goes.
    ///   - mapBytes: taken from the disk at once, as the machine does.
    public init(_ directory: String, mapBytes: Int) throws {
        self.directory = directory
        Self.remove(directory)
        guard mkdir(directory, 0o700) == 0 else {
            throw BenchmarkError("cannot make \(directory): \(String(cString: strerror(errno)))")
        }
        var opened: OpaquePointer?
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        try Self.check(bare_map_open(directory, (mapBytes + page - 1) / page * page, &opened), "open \(directory)")
        map = opened!
    }

    deinit {
        bare_map_close(map)
        Self.remove(directory)
    }

    private static func remove(_ directory: String) {
        for name in ["data.mdb", "lock.mdb"] { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    /// Sets keys to one value, with a commit for each `batch` of them.
    ///
    /// - Parameter keys: one behind the other, each `keyBytes` long.
    public func put(_ keys: ArraySlice<UInt8>, keyBytes: Int, value: [UInt8], batch: Int) throws {
        let code = keys.withUnsafeBufferPointer {
            bare_map_put(map, $0.baseAddress, keyBytes, $0.count / keyBytes, value, value.count, batch)
        }
        try Self.check(code, "put into \(directory)")
    }

    private static func check(_ code: Int32, _ action: String) throws {
        guard code == 0 else {
            throw BenchmarkError("bare LMDB cannot \(action): \(String(cString: bare_map_error(code)))")
        }
    }
}
