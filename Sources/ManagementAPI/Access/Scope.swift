/// What an operation needs. The raw values are the `x-convoy-scope` of openapi/convoy.yaml.
public enum Scope: String, Sendable {
    case open = "public"
    case clusterRead = "cluster:read"
    case topologyWrite = "topology:write"
    case topologyForce = "topology:force"
    case namespacesWrite = "namespaces:write"
    case namespaceRead = "namespace:read"
    case namespaceWrite = "namespace:write"
    /// Another node of the cluster: never in the document.
    case peer
}
