import Foundation

/// The program `raft` as it was built beside these tests.
enum RaftProgram {
    static var path: String { path(of: "raft") }

    /// Of any program that was built beside these tests.
    static func path(of program: String) -> String {
        Bundle.main.executableURL!.deletingLastPathComponent().appendingPathComponent(program).path
    }

    struct Ending {
        let code: Int32
        let output: Data
        let errors: String
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// Runs `raft` to its end. What it reads and writes are files, so that no pipe can fill up.
    static func run(
        _ arguments: [String], program: String = "raft", input: Data = Data(), environment: [String: String] = [:],
        in directory: String
    ) async throws -> Ending {
        let process = try start(
            arguments, program: program, input: input, environment: environment, in: directory, log: nil)
        return try await process.ending()
    }

    /// Starts `raft`, and returns at once.
    static func start(
        _ arguments: [String], program: String = "raft", input: Data? = nil, environment: [String: String] = [:],
        in directory: String, log: String? = nil
    ) throws -> RunningProgram {
        let files = (0..<3).map { _ in "\(directory)/io-\(UUID().uuidString)" }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path(of: program))
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("RAFT_") }
        variables.merge(environment) { $1 }
        process.environment = variables
        if let input {
            try input.write(to: URL(fileURLWithPath: files[0]))
            process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: files[0]))
        } else {
            process.standardInput = FileHandle.nullDevice
        }
        for file in files[1...] { _ = FileManager.default.createFile(atPath: file, contents: nil) }
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: files[1]))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: files[2]))
        return try RunningProgram(process, output: files[1], errors: files[2])
    }
}

/// A `raft` that runs. Ended, if it still runs, with this object.
final class RunningProgram: @unchecked Sendable {
    // @unchecked: `process` is told to signal and asked for its end only; Foundation locks both.
    private let process: Process
    private let outputFile: String
    private let errorFile: String
    private let ended: AsyncStream<Void>

    fileprivate init(_ process: Process, output: String, errors: String) throws {
        self.process = process
        outputFile = output
        errorFile = errors
        let (ended, continuation) = AsyncStream.makeStream(of: Void.self)
        self.ended = ended
        process.terminationHandler = { _ in continuation.finish() }
        try process.run()
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var output: String { (try? String(contentsOfFile: outputFile, encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOfFile: errorFile, encoding: .utf8)) ?? "" }

    /// Does nothing when it has ended: its number may be another process's by now.
    func signal(_ number: Int32) { if process.isRunning { kill(pid, number) } }

    /// Waits for its end.
    func ending() async throws -> RaftProgram.Ending {
        for await _ in ended {}
        let code = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        return .init(
            code: code, output: try Data(contentsOf: URL(fileURLWithPath: outputFile)), errors: errors)
    }
}
