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

let package = Package(
    name: "convoy",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    ],
    targets: [
        .systemLibrary(name: "CRocksDB", pkgConfig: "rocksdb", providers: [.apt(["librocksdb-dev"])]),
        .systemLibrary(
            name: "CMicroHTTPD", pkgConfig: "libmicrohttpd",
            providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CPlatform"),

        .target(name: "Platform", dependencies: ["CPlatform", "CXXHash"], swiftSettings: common),
        .target(name: "RocksDB", dependencies: ["CRocksDB"], swiftSettings: common),
        .target(name: "JSON", dependencies: ["CJansson"], swiftSettings: common),
        .target(
            name: "HTTPServer", dependencies: ["CMicroHTTPD", "Platform"], swiftSettings: common),
        .target(name: "HTTPClient", dependencies: ["CCurl", "Platform"], swiftSettings: common),

        .target(name: "Log", dependencies: ["Platform"], swiftSettings: pure),
        .target(
            name: "Access",
            dependencies: ["Platform", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: pure),
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
                "Access", "Engine", "HTTPClient", "JSON", "Log", "Platform", "Replication", "Topology",
            ],
            swiftSettings: pure),
    ]
)
