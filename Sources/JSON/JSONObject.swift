/// The members of a JSON object, in the order in which they were added or read.
///
/// Looking one up is a linear search: objects have some tens of members. Whatever can grow without
/// bound belongs into an array.
///
/// Invariant: no two names have the same bytes. (Names that Unicode calls equal may differ in
/// bytes; JSON keeps them apart, and so does this type.)
public struct JSONObject: Sendable {
    public typealias Member = (name: String, value: JSONValue)

    public private(set) var members: [Member]

    public init() { self.members = [] }

    /// Stops the process when a name occurs twice.
    public init(_ members: some Sequence<(String, JSONValue)>) {
        self.init()
        for (name, value) in members { append(name, value) }
    }

    /// Takes over what jansson has already found to be free of duplicates.
    init(distinct members: [Member]) { self.members = members }

    public var names: [String] { members.map(\.name) }
    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }

    /// The member called `name`. Setting replaces it in its place or adds it at the end; nil removes.
    public subscript(name: String) -> JSONValue? {
        get { place(of: name).map { members[$0].value } }
        set {
            switch (place(of: name), newValue) {
            case (let place?, let value?): members[place].value = value
            case (let place?, nil): members.remove(at: place)
            case (nil, let value?): members.append((name, value))
            case (nil, nil): break
            }
        }
    }

    /// Adds a member at the end. Stops the process when there is one of that name.
    public mutating func append(_ name: String, _ value: JSONValue) {
        guard place(of: name) == nil else { fatalError("a JSON object has \(name) twice") }
        members.append((name, value))
    }

    private func place(of name: String) -> Int? {
        // `==` first: it rejects quickly. The bytes decide.
        members.firstIndex { $0.name == name && $0.name.utf8.elementsEqual(name.utf8) }
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral members: (String, JSONValue)...) { self.init(members) }
}

extension JSONObject: Equatable {
    /// Whether both have the same members, in whatever order.
    public static func == (a: JSONObject, b: JSONObject) -> Bool {
        guard a.count == b.count else { return false }

        // Sorting keeps objects that a stranger has filled from costing a square.
        return zip(a.sortedByName, b.sortedByName).allSatisfy { a, b in
            a.name.utf8.elementsEqual(b.name.utf8) && a.value == b.value
        }
    }

    private var sortedByName: [Member] {
        members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}
