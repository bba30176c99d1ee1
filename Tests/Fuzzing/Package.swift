// swift-tools-version: 6.2
import PackageDescription

// One program with every fuzz target, run by .ci/fuzz. A package of its own: it links with libFuzzer, which only that
// command's flags bring, and whoever uses or tests swift-raft builds none of it.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
]

let package = Package(
    name: "swift-raft-fuzzing",
    platforms: [.macOS(.v26)],
    products: [.executable(name: "raft-fuzz", targets: ["RaftFuzz"])],
    dependencies: [
        // By name, since the folder of a clone may have any.
        .package(name: "swift-raft", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio", from: "2.90.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .target(name: "CFuzzer"),
        // What reads flags and texts in the program `raft`: links to its sources, since nobody can depend on a program.
        .target(
            name: "RaftCommandParts",
            dependencies: [
                .product(name: "Raft", package: "swift-raft"),
                .product(name: "RaftClient", package: "swift-raft"),
                .product(name: "RaftKeyValueModel", package: "swift-raft"),
                .product(name: "RaftServer", package: "swift-raft"),
                .product(name: "RaftTransport", package: "swift-raft"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "RaftFuzz",
            dependencies: [
                "CFuzzer", "RaftCommandParts",
                .product(name: "Raft", package: "swift-raft"),
                .product(name: "RaftClient", package: "swift-raft"),
                .product(name: "RaftKeyValue", package: "swift-raft"),
                .product(name: "RaftKeyValueModel", package: "swift-raft"),
                .product(name: "RaftServer", package: "swift-raft"),
                .product(name: "RaftSimulation", package: "swift-raft"),
                .product(name: "RaftStorage", package: "swift-raft"),
                .product(name: "RaftTransport", package: "swift-raft"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings),
    ]
)
