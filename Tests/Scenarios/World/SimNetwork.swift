import Log
import Platform
import Topology

/// The wires between nodes: what is lost, doubled, delayed, and cut, in each direction apart.
final class SimNetwork {
    struct Weather {
        var lossPercent = 0
        var doublingPercent = 0
        /// Of a stream's pieces; requests always may overtake each other.
        var reorderPercent = 0
        var slowPercent = 0
        var delay: ClosedRange<Int64> = 200...3_000
        var slowDelay: ClosedRange<Int64> = 50_000...900_000

        static let fair = Weather()
        static let foul = Weather(
            lossPercent: 4, doublingPercent: 3, reorderPercent: 2, slowPercent: 8)
    }

    struct Wire: Hashable {
        var from: NodeName
        var to: NodeName
    }

    var weather = Weather.fair
    private(set) var cut: Set<Wire> = []
    private(set) var lost = 0
    private(set) var doubled = 0

    func cut(_ from: SimNode, _ to: SimNode) { cut.insert(Wire(from: from.name, to: to.name)) }

    func heal(_ from: SimNode, _ to: SimNode) { cut.remove(Wire(from: from.name, to: to.name)) }

    func healAll() {
        cut = []
        weather = .fair
    }

    func isCut(_ from: SimNode, _ to: SimNode) -> Bool {
        cut.contains(Wire(from: from.name, to: to.name))
    }

    fileprivate func delay(_ random: inout SplitMix64) -> Duration {
        let range = random.isLucky(weather.slowPercent) ? weather.slowDelay : weather.delay
        return .microseconds(Int64.random(in: range, using: &random))
    }

    /// When the copies of a message arrive; none when it is lost.
    fileprivate func fates(_ from: SimNode, _ to: SimNode, _ random: inout SplitMix64) -> [Duration]
    {
        if isCut(from, to) || random.isLucky(weather.lossPercent) {
            lost += 1
            return []
        }
        var fates = [delay(&random)]
        if random.isLucky(weather.doublingPercent) {
            doubled += 1
            fates.append(delay(&random))
        }
        return fates
    }
}

/// How a call between nodes ends when no answer comes.
enum CallFailure: Error {
    case unreachable
    case timedOut
}

extension World {
    /// Puts a message on the wire.
    func send(_ from: SimNode, _ to: SimNode, _ deliver: @escaping () -> Void) {
        for fate in network.fates(from, to, &random) { after(fate, deliver) }
    }

    /// Sends a piece of a stream: behind what was sent before it, unless the weather says otherwise.
    func send(
        _ from: SimNode, _ to: SimNode, behind last: inout MonotonicTime,
        _ deliver: @escaping () -> Void
    ) {
        for fate in network.fates(from, to, &random) {
            let inOrder = max(now + fate, last + .microseconds(1))
            let isEarly = random.isLucky(network.weather.reorderPercent)
            let at = isEarly ? now + .microseconds(100) : inOrder
            if !isEarly { last = inOrder }
            after(at - now, deliver)
        }
    }

    /// Asks another node: `handle` runs there, `done` here, once.
    func call<Answer>(
        _ from: SimNode, _ to: SimNode, timeout: Duration, handle: @escaping () -> Answer?,
        done: @escaping (Result<Answer, CallFailure>) -> Void
    ) {
        let process = from.process
        var isOver = false
        func finish(_ result: Result<Answer, CallFailure>) {
            guard !isOver, from.process == process else { return }
            isOver = true
            done(result)
        }
        send(from, to) { [self] in
            guard to.isUp else {
                return send(to, from) { finish(.failure(.unreachable)) }
            }
            let process = to.process
            guard let answer = handle(), to.process == process else { return }
            send(to, from) { finish(.success(answer)) }
        }
        after(timeout) { finish(.failure(.timedOut)) }
    }
}
