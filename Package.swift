// swift-tools-version: 6.2
import PackageDescription

/// One list of strict settings for every target. `RAFT_WERROR=1` turns warnings into errors: CI sets it, nobody who
/// depends on this package ever meets it. `RAFT_MUTANTS=1` compiles in the rules broken on purpose that
/// `raft-simulate --mutants` must notice; use a build folder of its own.
let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .enableUpcomingFeature("InferIsolatedConformances"),
    ] + (Context.environment["RAFT_WERROR"] == nil ? [] : [.treatAllWarnings(as: .error)])
    + (Context.environment["RAFT_MUTANTS"] == nil ? [] : [.define("MUTANTS")])

let package = Package(
    name: "swift-raft",
    platforms: [.macOS(.v26)],
    products: [
        .library(name: "Raft", targets: ["Raft"]),
        .library(name: "RaftLifecycle", targets: ["RaftLifecycle"]),
        .library(name: "RaftMetrics", targets: ["RaftMetrics"]),
        .library(name: "RaftStorage", targets: ["RaftStorage"]),
        .library(name: "RaftTransport", targets: ["RaftTransport"]),
        .library(name: "RaftKeyValueModel", targets: ["RaftKeyValueModel"]),
        .library(name: "RaftKeyValue", targets: ["RaftKeyValue"]),
        .library(name: "RaftClient", targets: ["RaftClient"]),
        .library(name: "RaftServer", targets: ["RaftServer"]),
        .library(name: "RaftSimulation", targets: ["RaftSimulation"]),
        // Its folder is not `raft`: that would be `Raft` on a disk that does not tell the two apart.
        .executable(name: "raft", targets: ["RaftCommand"]),
        .executable(name: "raft-simulate", targets: ["RaftSimulateCommand"]),
        // Preloaded into nodes by `raft chaos power`.
        .library(name: "drop-unsynced", type: .dynamic, targets: ["CDropUnsynced"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.10.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.90.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
    ],
    targets: [
        // MARK: The library
        .target(name: "CChecksum"),
        .target(
            name: "Raft",
            dependencies: [
                "CChecksum",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        // On its own: who runs no services needs nothing of them.
        .target(
            name: "RaftLifecycle",
            dependencies: ["Raft", .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")],
            swiftSettings: settings),
        .target(
            name: "RaftMetrics",
            dependencies: ["Raft", .product(name: "CoreMetrics", package: "swift-metrics")],
            swiftSettings: settings),
        // MARK: Devices
        .target(name: "CWriteBack"),
        .target(name: "RaftStorage", dependencies: ["CChecksum", "CWriteBack", "Raft"], swiftSettings: settings),
        // MARK: RPC over TLS
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
        .target(name: "CRaftProtos", dependencies: ["CProtobufC"]),
        .target(
            name: "RaftTransport",
            dependencies: [
                "Raft", "COpenSSL", "CProtobufC", "CRaftProtos",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        // MARK: The key-value service
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        // What the machine and its clients both speak of.
        .target(name: "RaftKeyValueModel", dependencies: ["Raft"], swiftSettings: settings),
        .target(
            name: "RaftKeyValue", dependencies: ["Raft", "RaftKeyValueModel", "CLMDB", "CRaftProtos", "CProtobufC"],
            swiftSettings: settings),
        .target(
            name: "RaftClient",
            dependencies: [
                "Raft", "RaftTransport", "RaftKeyValueModel", "CRaftProtos", "CProtobufC",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .target(
            name: "RaftServer",
            dependencies: [
                "Raft", "RaftStorage", "RaftTransport", "RaftKeyValue", "RaftKeyValueModel", "RaftClient",
                "RaftMetrics",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "RaftCommand",
            dependencies: [
                // RaftSimulation for the histories that `raft bench` writes.
                "Raft", "RaftStorage", "RaftTransport", "RaftClient", "RaftServer", "RaftKeyValue",
                "RaftKeyValueModel", "RaftSimulation",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        // On its own: whatever is linked with it has its system calls replaced.
        .target(name: "CDropUnsynced"),
        // MARK: Simulation
        .target(
            name: "RaftSimulation",
            dependencies: [
                "Raft", "RaftStorage",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        // On its own: the library's simulation needs neither LMDB nor TLS.
        .target(
            name: "RaftKeyValueSimulation",
            dependencies: [
                "Raft", "RaftSimulation", "RaftTransport", "RaftKeyValueModel", "RaftKeyValue", "RaftClient",
                "RaftServer",
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "RaftSimulateCommand",
            dependencies: [
                "Raft", "RaftSimulation", "RaftKeyValueSimulation",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        // MARK: Examples
        .executableTarget(
            name: "CounterExample", dependencies: ["Raft"], path: "Sources/Examples/Counter", swiftSettings: settings),
        .executableTarget(
            name: "LockExample", dependencies: ["Raft"], path: "Sources/Examples/Lock", swiftSettings: settings),
        .executableTarget(
            name: "LedgerExample", dependencies: ["Raft", "RaftStorage"], path: "Sources/Examples/Ledger",
            swiftSettings: settings),
        .executableTarget(
            name: "DurableExample",
            dependencies: [
                "Raft", "RaftStorage", "RaftTransport", .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Sources/Examples/Durable", swiftSettings: settings),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .executableTarget(
            name: "SQLiteExample", dependencies: ["CSQLite", "Raft", "RaftStorage"], path: "Sources/Examples/SQLite",
            swiftSettings: settings),
        // Where the other two find a cluster.
        .target(
            name: "ExamplesSupport",
            dependencies: [
                "Raft", "RaftClient", "RaftServer", "RaftTransport", .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Sources/Examples/Support", swiftSettings: settings),
        .executableTarget(
            name: "DiscoveryExample", dependencies: ["ExamplesSupport", "RaftClient"],
            path: "Sources/Examples/Discovery", swiftSettings: settings),
        .executableTarget(
            name: "ElectionExample", dependencies: ["ExamplesSupport", "RaftClient"],
            path: "Sources/Examples/Election", swiftSettings: settings),
        // MARK: Tests
        // How tests share one process and its processors.
        .target(name: "TestTraits", dependencies: ["Raft"], path: "Tests/TestTraits", swiftSettings: settings),
        .testTarget(name: "RaftTests", dependencies: ["CChecksum", "Raft"], swiftSettings: settings),
        .testTarget(
            name: "RaftLifecycleTests",
            dependencies: [
                "Raft", "RaftLifecycle", .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RaftMetricsTests",
            dependencies: [
                "Raft", "RaftMetrics", .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ExamplesTests",
            dependencies: [
                "CounterExample", "LedgerExample", "LockExample", "Raft", "RaftSimulation", "SQLiteExample",
            ],
            swiftSettings: settings),
        .testTarget(name: "PaperTests", dependencies: ["Raft"], swiftSettings: settings),
        .testTarget(name: "TidyTests", dependencies: ["TestTraits"], swiftSettings: settings),
        .testTarget(
            name: "RaftStorageTests", dependencies: ["Raft", "RaftSimulation", "RaftStorage", "TestTraits"],
            swiftSettings: settings),
        .testTarget(
            name: "RaftSimulationTests", dependencies: ["Raft", "RaftSimulation", "RaftStorage", "TestTraits"],
            exclude: ["mutants.txt", "seeds.txt"], swiftSettings: settings),
        .testTarget(
            name: "RaftKeyValueSimulationTests",
            dependencies: [
                "Raft", "RaftKeyValue", "RaftKeyValueModel", "RaftKeyValueSimulation", "RaftSimulation", "TestTraits",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RaftSimulateCommandTests",
            dependencies: [
                "RaftSimulateCommand", "RaftSimulation", "TestTraits",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        // Runs the texts of Tests/Scenarios.
        .testTarget(
            name: "ScenarioTests", dependencies: ["RaftSimulation", "TestTraits"], exclude: ["mutants.txt"],
            swiftSettings: settings),
        .testTarget(
            name: "RaftTransportTests",
            dependencies: [
                "RaftTransport", "Raft", "COpenSSL",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RaftKeyValueTests", dependencies: ["Raft", "RaftKeyValue", "RaftSimulation"], swiftSettings: settings
        ),
        .testTarget(
            name: "RaftClientTests", dependencies: ["Raft", "RaftClient", "RaftTransport"], swiftSettings: settings),
        .testTarget(
            name: "RaftServerTests",
            dependencies: [
                "Raft", "RaftClient", "RaftKeyValue", "RaftKeyValueModel", "RaftServer", "RaftStorage", "RaftTransport",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RaftCommandTests",
            dependencies: [
                "Raft", "RaftClient", "RaftCommand", "RaftKeyValueModel", "RaftServer", "RaftTransport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        // The fuzz targets, as links to their sources, on what is kept in Tests/Fuzzing/Corpus.
        .testTarget(
            name: "CorpusTests",
            dependencies: [
                "Raft", "RaftClient", "RaftCommand", "RaftKeyValue", "RaftKeyValueModel", "RaftServer",
                "RaftSimulation", "RaftStorage", "RaftTransport", "TestTraits",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings),
        // Needs the program itself, which it starts: real processes over real mTLS.
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "Raft", "RaftClient", "RaftCommand", "RaftSimulation", "RaftTransport", "TestTraits",
                "CounterExample", "DiscoveryExample", "DurableExample", "ElectionExample", "LedgerExample",
                "LockExample", "SQLiteExample",
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
    ]
)
