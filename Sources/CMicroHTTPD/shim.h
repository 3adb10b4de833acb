#pragma once
#include <microhttpd.h>

// What one daemon is started with. All callbacks get `context`.
struct shim_daemon_settings {
    unsigned flags;
    int listen_socket;  // Bound and listening; the daemon closes it.
    unsigned threads;
    unsigned connections_max;
    size_t header_bytes_max;
    unsigned idle_timeout_seconds;
    const char *tls_certificate_pem;  // With the key, or NULL for plain HTTP. Copied by the daemon.
    const char *tls_key_pem;
    void *context;
    MHD_AcceptPolicyCallback accept;
    MHD_NotifyConnectionCallback connection_changed;
    void *(*request_line)(void *context, const char *target, struct MHD_Connection *connection);
    MHD_AccessHandlerCallback request;
    MHD_RequestCompletedCallback completed;
    size_t (*unescape)(void *context, struct MHD_Connection *connection, char *text);
};

// Swift cannot call C variadics: `MHD_start_daemon` is one.
static inline struct MHD_Daemon *shim_start_daemon(const struct shim_daemon_settings *s) {
    struct MHD_OptionItem tls[4] = {{MHD_OPTION_END, 0, NULL}};
    if (s->tls_certificate_pem && s->tls_key_pem) {
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)s->tls_certificate_pem};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)s->tls_key_pem};
        // Not below TLS 1.2, whatever the system's defaults are.
        tls[2] = (struct MHD_OptionItem){
            MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"};
        tls[3] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    }
    return MHD_start_daemon(
        s->flags, 0, s->accept, s->context, s->request, s->context,
        MHD_OPTION_LISTEN_SOCKET, s->listen_socket,
        MHD_OPTION_THREAD_POOL_SIZE, s->threads,
        MHD_OPTION_CONNECTION_LIMIT, s->connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->header_bytes_max,
        MHD_OPTION_CONNECTION_TIMEOUT, s->idle_timeout_seconds,
        MHD_OPTION_NOTIFY_CONNECTION, s->connection_changed, s->context,
        MHD_OPTION_URI_LOG_CALLBACK, s->request_line, s->context,
        MHD_OPTION_NOTIFY_COMPLETED, s->completed, s->context,
        MHD_OPTION_UNESCAPE_CALLBACK, s->unescape, s->context,
        MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
}

// `MHD_get_daemon_info` is variadic, too.
static inline unsigned shim_connection_count(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info ? info->num_connections : 0;
}

// `MHD_get_connection_info` is variadic too.
static inline void *shim_socket_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static inline int shim_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

static inline const struct sockaddr *shim_client_address(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}
