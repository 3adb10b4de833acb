import Access
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
        ProcessMemory.limitArenas()
        Signals.takeOver()
        try Exposure.checkBeforeStart(settings)
        // The ports are taken before anything is written, and answer while the log is replayed.
        let main = StartingHandler()
        let forHealth = StartingHandler()
        let listener = try listen(settings.http, main)
        let health = try settings.health.map { try listen($0, forHealth) }
        let url = Settings.url(
            of: .init(host: settings.http.host, port: listener.port), tls: settings.tls)
        let node = try start(at: url)
        do {
            try Exposure.check(settings, node)
        } catch {
            node.stop(until: .now() + Server.stopTimeout)
            throw error
        }
        let api = ManagementAPI(node: node, settings: apiSettings(node))
        main.open(api.handler)
        forHealth.open(api.healthHandler)
        logger.info(
            "serving",
            metadata: [
                "page": "\(url)/", "data": "\(settings.node.dataPath)", "name": "\(node.name)",
            ])
        if node.requiresToken, settings.secret == nil {
            logger.warning(
                "there is no cluster secret: whoever is on this machine may speak as a node, without a token",
                metadata: ["next": "start every node with --cluster-secret-file"])
        }
        if !node.requiresToken {
            logger.warning(
                "no admin token exists: whoever is on this machine may do everything",
                metadata: ["next": "POST /v1/tokens, or convoy token create --admin"])
        }

        var signal = Signals.wait()
        while signal == "SIGHUP" {
            reload([listener] + (health.map { [$0] } ?? []))
            signal = Signals.wait()
        }
        logger.info("stopping", metadata: ["signal": "\(signal)"])
        let deadline = MonotonicTime.now() + Server.stopTimeout
        node.stop(until: deadline)
        listener.stop(deadline: deadline)
        health?.stop(deadline: deadline)
        logger.info("stopped")
    }

    /// Reads the files again that may change while the node runs. What cannot be read stays as it was.
    private func reload(_ listeners: [HTTPListener]) {
        reloadSecret()
        guard let tls = settings.tls else { return }
        do {
            let identity = try tls.read()
            for listener in listeners where !listener.renew(identity) {
                throw Server.noIdentity
            }
            logger.info("the certificate was read again: new connections get it")
        } catch {
            logger.error(
                "the certificate cannot be read; the one before counts",
                metadata: ["error": "\(error)"])
        }
    }

    private static let noIdentity = StartFailure(
        description:
            "the files of --tls-certificate-file and --tls-key-file are no certificate with its key"
    )

    private func reloadSecret() {
        guard let secrets = settings.secret, let path = settings.secretPath else { return }
        do {
            guard secrets.replace(by: try Settings.text(of: path)) else {
                throw StartFailure(description: "it must be \(ClusterSecrets.rule)")
            }
            logger.info("the cluster secret was read again")
        } catch {
            logger.error(
                "the cluster secret cannot be read; the one before counts",
                metadata: ["file": "\(path)", "error": "\(error)"])
        }
    }

    private func listen(
        _ endpoint: Settings.Endpoint, _ handler: StartingHandler
    ) throws -> HTTPListener {
        do {
            return try HTTPListener(
                address: endpoint.host, port: endpoint.port, tls: settings.tls?.read(),
                handler: handler.handler)
        } catch HTTPServerError.cannotStart where settings.tls != nil {
            throw Server.noIdentity
        } catch {
            throw StartFailure(description: "\(error)")
        }
    }

    private func start(at url: String) throws -> Node {
        var options = settings.node
        // Port 0 is known only now.
        if !settings.isAdvertised, let address = NodeAddress(url) { options.address = address }
        options.log = EventLog.sink(logger)
        options.engine.stopProcess = { [logger] reason in
            logger.critical(
                "stopping at once: what is on disk is unknown until the next start replays the log",
                metadata: ["reason": "\(reason)"])
            Signals.exitNow(code: 70)
        }
        do {
            return try Node.start(options)
        } catch let error as EngineError {
            let advice = error.advice.map { ". \($0)" } ?? ""
            throw StartFailure(
                description: "cannot open the state in \(options.dataPath): \(error)\(advice)")
        } catch {
            throw StartFailure(description: "\(error)")
        }
    }

    private func apiSettings(_ node: Node) -> APISettings {
        var api = APISettings(port: node.options.address.port, version: Version.number)
        api.allowedHosts =
            settings.allowedHosts + [settings.http.host, node.options.address.host]
        api.opensMetrics = settings.openMetrics
        api.secret = settings.secret
        api.insecureLinks = settings.node.insecureLinks
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
