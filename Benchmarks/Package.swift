// swift-tools-version: 6.2
import PackageDescription

// Every claim about speed or steadiness is one command here. A package of its own: whoever uses or tests swift-raft
// builds none of it, and it builds into its own folder.

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .enableUpcomingFeature("InferIsolatedConformances"),
    ] + (Context.environment["RAFT_WERROR"] == nil ? [] : [.treatAllWarnings(as: .error)])

let package = Package(
    name: "swift-raft-benchmarks",
    platforms: [.macOS(.v26)],
    products: [.executable(name: "raft-benchmark", targets: ["RaftBenchmark"])],
    dependencies: [
        // By name, since the folder of a clone may have any.
        .package(name: "swift-raft", path: ".."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.90.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    ],
    targets: [
        // The floor: TLS with nothing above it.
        .target(name: "CBareTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        // Other floors: hand-overs between threads, libprotobuf-c and LMDB with nothing above them.
        .target(
            name: "CBareFloors", linkerSettings: [.linkedLibrary("lmdb"), .linkedLibrary("protobuf-c")]),
        // What commands share: processes, load, floors, and what is made of their figures.
        .target(
            name: "Benchmarking",
            dependencies: [
                "CBareFloors",
                "CBareTLS",
                .product(name: "Raft", package: "swift-raft"),
                .product(name: "RaftClient", package: "swift-raft"),
                .product(name: "RaftTransport", package: "swift-raft"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        // One folder for each command.
        .executableTarget(
            name: "RaftBenchmark",
            dependencies: [
                "Benchmarking",
                .product(name: "Raft", package: "swift-raft"),
                .product(name: "RaftClient", package: "swift-raft"),
                .product(name: "RaftKeyValue", package: "swift-raft"),
                .product(name: "RaftKeyValueModel", package: "swift-raft"),
                .product(name: "RaftStorage", package: "swift-raft"),
                .product(name: "RaftTransport", package: "swift-raft"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .testTarget(name: "BenchmarkingTests", dependencies: ["Benchmarking"], swiftSettings: settings),
    ]
)
