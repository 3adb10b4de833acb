import Platform
import Testing

@testable import Node

@Suite struct MeasurementRingTests {
    private func point(_ number: Int, replicas: [String: Double] = [:]) -> Measurement {
        var point = Measurement(at: UnixMilliseconds(rawValue: UInt64(number) * 10_000))
        point.writesPerSecond = Double(number)
        point.replicaLagSeconds = replicas
        return point
    }

    @Test func `what is measured comes back in order, with what was not known`() {
        var ring = MeasurementRing(capacity: 4)
        #expect(ring.all.isEmpty)
        for number in 1...3 { ring.append(point(number)) }
        #expect(ring.all.map(\.writesPerSecond) == [1, 2, 3])
        #expect(ring.all.allSatisfy { $0.lagSeconds == nil && $0.logBytes == nil })
    }

    @Test func `a full ring forgets the oldest and nothing else, however often it goes round`() {
        var ring = MeasurementRing(capacity: 4)
        for number in 1...23 {
            ring.append(point(number))
            let first = max(1, number - 3)
            #expect(ring.all == (first...number).map { point($0) })
        }
    }

    @Test func `the last hour has place, and more has not`() {
        var ring = MeasurementRing()
        for number in 1...1_000 { ring.append(point(number)) }
        #expect(ring.all.count == 360)
        #expect(MeasurementRing.interval * MeasurementRing.pointsMax == .seconds(3_600))
        #expect(ring.all.first?.writesPerSecond == 641)
    }

    @Test func `what concerns replicas is kept for the newest alone`() {
        var ring = MeasurementRing(capacity: 5, replicaCapacity: 2)
        for number in 1...12 {
            ring.append(point(number, replicas: ["n2": Double(number)]))
            let kept = ring.all.filter { !$0.replicaLagSeconds.isEmpty }
            #expect(kept.map(\.writesPerSecond) == ring.all.suffix(2).map(\.writesPerSecond))
        }
        #expect(ring.replicaLags == ["n2": [11, 12]])
    }

    @Test func `a replica that comes and goes has gaps, never another one's figures`() {
        var ring = MeasurementRing(capacity: 5, replicaCapacity: 3)
        ring.append(point(1, replicas: ["n2": 0.5]))
        ring.append(point(2, replicas: ["n3": 0.25]))
        ring.append(point(3, replicas: ["n2": 1, "n3": 2]))
        #expect(ring.replicaLags == ["n2": [0.5, nil, 1], "n3": [nil, 0.25, 2]])
        for number in 4...6 { ring.append(point(number)) }
        #expect(ring.replicaLags.isEmpty)
    }

    @Test func `rates need two looks, and time between them`() throws {
        let earlier = RequestCounts(reads: 100, writes: 10)
        let now = RequestCounts(reads: 150, writes: 30)
        #expect(now.rates(since: nil, .seconds(10)) == nil)
        #expect(now.rates(since: earlier, .zero) == nil)
        #expect(earlier.rates(since: now, .seconds(10)) == nil)
        let rates = try #require(now.rates(since: earlier, .seconds(10)))
        #expect(rates.reads == 5 && rates.writes == 2)
    }
}
