// swift-tools-version: 6.2
import PackageDescription

let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// Modules that never touch C: any unsafe construct is a compile error.
let pure = common + [.strictMemorySafety()]

/// The tests of one module.
func test(_ module: String, _ others: Target.Dependency...) -> Target {
    .testTarget(
        name: "\(module)Tests", dependencies: [.byName(name: module)] + others,
        swiftSettings: common)
}

let package = Package(
    name: "convoy",
    products: [
        .executable(name: "convoy", targets: ["Convoy"]),
        // For Benchmarks/.
        .library(name: "ConvoyEngine", targets: ["Engine", "Log", "Platform", "Topology"]),
        .library(name: "ConvoyHTTP", targets: ["HTTPClient", "JSON"]),
        .library(name: "ConvoyClusterKit", targets: ["ClusterKit"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(
            name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
        .systemLibrary(
            name: "CMicroHTTPD", pkgConfig: "libmicrohttpd",
            providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(
            name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(
            name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CPlatform"),

        .executableTarget(
            name: "AssetCompiler", dependencies: [.product(name: "Yams", package: "Yams")],
            swiftSettings: common),
        .plugin(name: "EmbedAssets", capability: .buildTool(), dependencies: ["AssetCompiler"]),
        .target(name: "Assets", swiftSettings: pure, plugins: ["EmbedAssets"]),

        .target(
            name: "Platform", dependencies: ["CCrypto", "CPlatform", "CXXHash"],
            swiftSettings: common),
        .target(name: "RocksDB", dependencies: ["CRocksDB"], swiftSettings: common),
        .target(name: "JSON", dependencies: ["CJansson"], swiftSettings: common),
        .target(
            name: "HTTPServer", dependencies: ["CMicroHTTPD", "Platform"], swiftSettings: common),
        .target(name: "HTTPClient", dependencies: ["CCurl", "Platform"], swiftSettings: common),

        .target(name: "Log", dependencies: ["Platform"], swiftSettings: pure),
        .target(
            name: "Access", dependencies: ["Platform"], swiftSettings: pure),
        .target(name: "Topology", dependencies: ["Log", "Platform"], swiftSettings: pure),
        .target(
            name: "Engine", dependencies: ["Log", "Platform", "RocksDB", "Topology"],
            swiftSettings: pure),
        .target(
            name: "Replication",
            dependencies: ["Engine", "HTTPClient", "JSON", "Log", "Platform", "Topology"],
            swiftSettings: pure),
        .target(
            name: "Node",
            dependencies: [
                "Access", "Engine", "HTTPClient", "JSON", "Log", "Platform", "Replication",
                "Topology",
            ],
            swiftSettings: pure),
        .target(
            name: "ManagementAPI",
            dependencies: [
                "Access", "Assets", "Engine", "HTTPServer", "JSON", "Log", "Node", "Platform",
                "Replication", "Topology",
            ],
            swiftSettings: pure),
        .executableTarget(
            name: "Convoy",
            dependencies: [
                "Access", "Assets", "Engine", "HTTPServer", "JSON", "Log", "ManagementAPI", "Node",
                "Platform", "Replication", "Topology",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: pure),

        // Tests, and what they share.
        .target(
            name: "ClusterKit", dependencies: ["HTTPClient", "JSON", "Platform"],
            path: "Tests/ClusterKit", swiftSettings: common),
        .executableTarget(
            name: "Demo", dependencies: ["ClusterKit", "HTTPClient", "JSON", "Platform"],
            swiftSettings: common),
        test("Platform"),
        test("Log", "Platform"),
        test("JSON"),
        test("HTTPServer", "Platform"),
        test("HTTPClient", "Platform"),
        test("Topology", "Log", "Platform"),
        test("Access", "Platform"),
        test("RocksDB", "Platform"),
        test("Engine", "Log", "Platform", "RocksDB", "Topology"),
        test("Replication", "Engine", "HTTPClient", "JSON", "Log", "Platform", "Topology"),
        test("Node", "Engine", "JSON", "Log", "Platform", "Topology"),
        test(
            "ManagementAPI", "Access", "Engine", "HTTPServer", "JSON", "Log", "Node", "Platform",
            "Replication", "Topology"),
        .testTarget(
            name: "ClusterTests",
            dependencies: [
                "Access", "ClusterKit", "Engine", "HTTPClient", "JSON", "Log", "Platform",
                "Replication", "RocksDB", "Topology",
            ],
            swiftSettings: common),
        .testTarget(
            name: "ScenarioTests",
            dependencies: ["JSON", "Log", "Node", "Platform", "Replication", "Topology"],
            path: "Tests/Scenarios", swiftSettings: common),
        .target(
            name: "FuzzTargets",
            dependencies: ["Access", "Engine", "HTTPServer", "JSON", "Log", "Platform"],
            path: "Tests/FuzzTargets", swiftSettings: common),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzTargets", "Platform"], swiftSettings: common),
        .testTarget(name: "TidyTests", swiftSettings: common),
    ]
)

// Has no main of its own: libFuzzer brings it, in a build with `--sanitize=fuzzer`, as `make fuzz` does.
if Context.environment["CONVOY_FUZZER"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzzer", dependencies: ["FuzzTargets"], path: "Tests/Fuzzer",
            swiftSettings: common))
}
