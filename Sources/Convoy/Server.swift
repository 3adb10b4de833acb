import Assets
import Engine
import Foundation
import HTTPServer
import JSON
import Logging
import ManagementAPI
import Node
import Platform
import Topology

/// The process: what is started in which order, and stopped in the reverse one.
struct Server {
    private var settings: Settings
    private let logger: Logger

    /// How long a stop may take.
    private static let stopTimeout: Duration = .seconds(4)

    init(_ settings: Settings) {
        self.settings = settings
        logger = Logger(label: "convoy", factory: { _ in EventLog() })
    }

    /// Serves until SIGINT or SIGTERM. Blocks.
    func run() throws {
        Signals.takeOver()
        let node = try start()
        let api = ManagementAPI(node: node, settings: apiSettings())
        let health = try settings.health.map {
            try HTTPListener(address: $0.host, port: $0.port, handler: api.healthHandler)
        }
        let listener = try HTTPListener(
            address: settings.http.host, port: settings.http.port, handler: api.handler)
        let url = Settings.url(of: .init(host: settings.http.host, port: listener.port))
        logger.info(
            "serving",
            metadata: [
                "page": "\(url)/", "data": "\(settings.node.dataPath)", "name": "\(node.name)",
            ])

        var signal = Signals.wait()
        while signal == "SIGHUP" { signal = Signals.wait() }
        logger.info("stopping", metadata: ["signal": "\(signal)"])
        let deadline = MonotonicTime.now() + Server.stopTimeout
        node.stop(until: deadline)
        listener.stop(deadline: deadline)
        health?.stop(deadline: deadline)
        logger.info("stopped")
    }

    private func start() throws -> Node {
        var options = settings.node
        options.log = EventLog.sink(logger)
        options.engine.stopProcess = { [logger] reason in
            logger.critical(
                "stopping at once: what is on disk is unknown until the next start replays the log",
                metadata: ["reason": "\(reason)"])
            Signals.exitNow(code: 70)
        }
        do {
            return try Node.start(options)
        } catch {
            throw StartFailure(description: "\(error)")
        }
    }

    private func apiSettings() -> APISettings {
        var api = APISettings(port: settings.http.port, version: Version.number)
        api.allowedHosts =
            settings.allowedHosts + [settings.http.host, settings.node.address.host]
        api.opensMetrics = settings.openMetrics
        api.secret = settings.secret
        for asset in Assets.all {
            if asset.name == "openapi.json" {
                api.openAPIDocument = Array(asset.text.utf8)
            } else {
                api.pageFiles[asset.name] = Array(asset.text.utf8)
            }
        }
        return api
    }
}

/// What the process says when it cannot start.
struct StartFailure: Error, CustomStringConvertible {
    let description: String
}
