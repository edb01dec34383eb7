#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#ifdef WITH_TLS
#include <openssl/ssl.h>
static SSL_CTX *tls_context;
#endif

#define READ_AT_ONCE (256 * 1024)
#define LARGEST (8 * 1024 * 1024)

/* RFC 6455 § 1.3: the example key and what must come back. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct client client;
static uint8_t arrived[LARGEST + READ_AT_ONCE + 1];
static uint8_t inflated[LARGEST];

_Noreturn void fail(const char *format, ...) {
    char text[800], *end = text;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (; *end; end++)
        if (*end == '"' || *end == '\\' || (unsigned char)*end < ' ') *end = ' ';
    printf("{\"error\": \"%s\"}\n", text);
    fflush(stdout);
    _exit(1);
}

void buffer_append(struct buffer *b, const void *data, size_t length) {
    if (length == 0) return;
    if (b->length + length > b->capacity) {
        b->capacity = (b->length + length) * 3 / 2;
        b->data = realloc(b->data, b->capacity);
        if (b->data == NULL) fail("out of memory");
    }
    memcpy(b->data + b->length, data, length);
    b->length += length;
}

static void buffer_free(struct buffer *b) {
    free(b->data);
    *b = (struct buffer){0};
}

/* --- Sockets and TLS ------------------------------------------------------------------------------- */

void client_start(const char *host, int port) {
    client.server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &client.server.sin_addr) != 1) fail("%s is no IPv4 address", host);
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!client.tls) return;
#ifdef WITH_TLS
    tls_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL); /* a certificate made for this run */
    SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
#else
    fail("this load generator was compiled without OpenSSL");
#endif
}

static void watch(struct connection *c, bool writing) {
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(client.epoll, EPOLL_CTL_MOD, c->fd, &event) != 0) fail("epoll: %s", strerror(errno));
    c->wants_write = writing;
}

void connection_begin(struct connection *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("socket: %s", strerror(errno));
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((ntohl(client.server.sin_addr.s_addr) >> 24) == 127) {
        /* Several source addresses, since one has only some 28 000 ports. */
        struct sockaddr_in from = {.sin_family = AF_INET};
        from.sin_addr.s_addr = htonl(0x7f000001u + c->index % 8);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0) fail("bind: %s", strerror(errno));
    }
    if (connect(c->fd, (struct sockaddr *)&client.server, sizeof client.server) != 0 && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    c->state = CONNECTING;
    c->wants_write = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(client.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) fail("epoll: %s", strerror(errno));
}

void connection_abort(struct connection *c) {
    if (c->state == GONE) return;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fd);
    c->state = GONE;
}

/* Bytes moved; 0 when none can be now. */
static size_t read_some(struct connection *c, uint8_t *to, size_t most) {
#ifdef WITH_TLS
    if (c->tls != NULL) {
        int n = SSL_read(c->tls, to, (int)most);
        if (n > 0) return (size_t)n;
        int why = SSL_get_error(c->tls, n);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return 0;
        fail("TLS: the server ended connection %u (%d)", c->index, why);
    }
#endif
    ssize_t n = recv(c->fd, to, most, 0);
    if (n > 0) return (size_t)n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    fail("the server closed connection %u: %s", c->index, n == 0 ? "end of stream" : strerror(errno));
}

static size_t write_some(struct connection *c, const uint8_t *data, size_t length) {
#ifdef WITH_TLS
    if (c->tls != NULL) {
        int n = SSL_write(c->tls, data, (int)length);
        if (n > 0) return (size_t)n;
        int why = SSL_get_error(c->tls, n);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return 0;
        fail("TLS: cannot write to connection %u (%d)", c->index, why);
    }
#endif
    ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL);
    if (n >= 0) return (size_t)n;
    if (errno == EAGAIN || errno == EINTR) return 0;
    fail("cannot write to connection %u: %s", c->index, strerror(errno));
}

void connection_send(struct connection *c, const uint8_t *data, size_t length) {
    if (c->unsent.length == 0) {
        size_t n = write_some(c, data, length);
        data += n;
        length -= n;
    }
    if (length == 0) return;
    buffer_append(&c->unsent, data, length);
    if (!c->wants_write) watch(c, true);
}

static void send_rest(struct connection *c) {
    struct buffer *b = &c->unsent;
    size_t n = b->length ? write_some(c, b->data, b->length) : 0;
    b->length -= n;
    memmove(b->data, b->data + n, b->length);
    if (b->length == 0) watch(c, false);
}

/* --- Frames ---------------------------------------------------------------------------------------- */

static uint32_t random32(void) {
    static uint64_t x = 0x9e3779b97f4a7c15u;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return (uint32_t)(x >> 32);
}

static void append_masked(struct buffer *to, uint8_t first, const uint8_t *payload, size_t length) {
    uint8_t head[14] = {first};
    size_t n = 2;
    if (length < 126) {
        head[1] = (uint8_t)(0x80 | length);
    } else if (length < 65536) {
        head[1] = 0x80 | 126;
        head[n++] = (uint8_t)(length >> 8);
        head[n++] = (uint8_t)length;
    } else {
        head[1] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8) head[n++] = (uint8_t)((uint64_t)length >> shift);
    }
    uint32_t key = random32();
    memcpy(head + n, &key, 4);
    const uint8_t *mask = head + n;
    buffer_append(to, head, n + 4);
    size_t at = to->length;
    buffer_append(to, payload, length);
    for (size_t i = 0; i < length; i++) to->data[at + i] ^= mask[i & 3];
}

void append_frame(struct buffer *to, const uint8_t *payload, size_t length) {
    append_masked(to, 0x81, payload, length);
}

static void send_control(struct connection *c, uint8_t first, const uint8_t *payload, size_t length) {
    struct buffer frame = {0};
    append_masked(&frame, first, payload, length);
    connection_send(c, frame.data, frame.length);
    buffer_free(&frame);
}

static size_t inflate_message(struct connection *c, const uint8_t *data, size_t length) {
    z_stream *z = c->inflater;
    if (z == NULL) {
        z = c->inflater = calloc(1, sizeof *z);
        if (z == NULL || inflateInit2(z, -15) != Z_OK) fail("out of memory");
    } else if (c->inflate_resets) {
        inflateReset(z);
    }
    static const uint8_t tail[] = {0, 0, 0xff, 0xff}; /* RFC 7692 § 7.2.2 */
    z->next_out = inflated;
    z->avail_out = sizeof inflated;
    for (int part = 0; part < 2; part++) {
        z->next_in = (uint8_t *)(part == 0 ? data : tail);
        z->avail_in = (unsigned)(part == 0 ? length : sizeof tail);
        int result = inflate(z, Z_SYNC_FLUSH);
        if ((result != Z_OK && result != Z_BUF_ERROR) || z->avail_in != 0) fail("a message does not inflate");
    }
    client.compressed++;
    return sizeof inflated - z->avail_out;
}

static void deliver(struct connection *c, bool compressed, const uint8_t *data, size_t length) {
    if (compressed) {
        if (!client.deflate) fail("a compressed message that nobody agreed on");
        length = inflate_message(c, data, length);
        data = inflated;
    }
    if (client.socketio) {
        if (length == 1 && data[0] == '2') { /* Engine.IO's ping */
            send_control(c, 0x81, (const uint8_t *)"3", 1);
            return;
        }
        if (c->state == JOINING) {
            if (length >= 2 && memcmp(data, "40", 2) == 0) {
                c->state = OPEN;
                client.opened(c);
            }
            return;
        }
    }
    client.message(c, data, length);
}

static void control(struct connection *c, uint8_t opcode, const uint8_t *data, size_t length) {
    if (opcode == 8) {
        unsigned code = length >= 2 ? (unsigned)(data[0] << 8 | data[1]) : 1005;
        fail("the server closed connection %u with %u %.*s", c->index, code, length > 2 ? (int)length - 2 : 0,
             length > 2 ? (const char *)data + 2 : "");
    }
    if (opcode == 9) {
        client.pings++;
        send_control(c, 0x8a, data, length);
    }
}

/* Take all whole frames; return how many bytes they were. */
static size_t take_frames(struct connection *c, const uint8_t *data, size_t length) {
    size_t at = 0;
    while (length - at >= 2) {
        const uint8_t *head = data + at;
        uint8_t opcode = head[0] & 15;
        uint64_t size = head[1] & 127;
        size_t head_size = 2;
        if (head[1] & 128) fail("a masked frame from the server");
        if (size == 126) {
            head_size = 4;
            if (length - at < head_size) break;
            size = (uint64_t)head[2] << 8 | head[3];
        } else if (size == 127) {
            head_size = 10;
            if (length - at < head_size) break;
            size = 0;
            for (int i = 2; i < 10; i++) size = size << 8 | head[i];
        }
        if (size > LARGEST - 16) fail("a frame of %llu bytes", (unsigned long long)size);
        if (length - at < head_size + size) break;
        const uint8_t *payload = head + head_size;
        at += head_size + size;
        if (opcode >= 8) {
            control(c, opcode, payload, size);
        } else if ((head[0] & 128) && c->parts.length == 0 && opcode != 0) {
            deliver(c, head[0] & 64, payload, size);
        } else {
            if (opcode != 0) c->part_compressed = head[0] & 64;
            buffer_append(&c->parts, payload, size);
            if (head[0] & 128) {
                deliver(c, c->part_compressed, c->parts.data, c->parts.length);
                c->parts.length = 0;
            }
        }
    }
    return at;
}

/* --- From the socket to the callbacks -------------------------------------------------------------- */

static void send_request(struct connection *c) {
    char request[600];
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                     c->path, ntohs(client.server.sin_port),
                     client.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                                    : "");
    c->state = UPGRADING;
    connection_send(c, (const uint8_t *)request, (size_t)n);
}

static void begin_websocket(struct connection *c) {
    if (client.raw || client.raw_in_frames) {
        c->state = OPEN;
        client.opened(c);
    } else {
        send_request(c);
    }
}

/* The response's bytes, or 0 when its end has not arrived. */
static size_t take_response(struct connection *c, const uint8_t *data, size_t length) {
    const uint8_t *end = memmem(data, length, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    char head[4096];
    size_t size = (size_t)(end - data) + 4;
    snprintf(head, sizeof head, "%.*s", (int)size, (const char *)data);
    if (strncmp(head, "HTTP/1.1 101", 12) != 0) {
        head[strcspn(head, "\r")] = 0;
        fail("the handshake of %s was answered with: %s", c->path, head);
    }
    if (strstr(head, ACCEPT) == NULL) fail("the handshake was answered with a wrong key");
    c->inflate_resets = strcasestr(head, "server_no_context_takeover") != NULL;
    if (client.deflate && strcasestr(head, "permessage-deflate") == NULL)
        fail("the server does not agree on permessage-deflate");
    if (client.socketio) {
        c->state = JOINING;
        send_control(c, 0x81, (const uint8_t *)"40", 2);
    } else {
        c->state = OPEN;
        client.opened(c);
    }
    return size;
}

static void take(struct connection *c, uint8_t *data, size_t length) {
    size_t used = 0;
    if (c->state == UPGRADING) {
        used = take_response(c, data, length);
        if (used == 0) {
            buffer_append(&c->rest, data, length);
            return;
        }
    }
    if (client.raw) {
        client.bytes(c, data + used, length - used);
        return;
    }
    used += take_frames(c, data + used, length - used);
    if (c->state != GONE) buffer_append(&c->rest, data + used, length - used);
}

static void read_all(struct connection *c) {
    do {
        /* What is left of the last read goes in front. */
        size_t kept = c->rest.length;
        if (kept > LARGEST) fail("a response without an end");
        size_t n = read_some(c, arrived + kept, READ_AT_ONCE);
        if (n == 0) return;
        memcpy(arrived, c->rest.data, kept);
        c->rest.length = 0;
        take(c, arrived, kept + n);
        if (c->rest.length == 0 && c->rest.capacity > 4096) buffer_free(&c->rest);
        /* Epoll does not know what TLS has read ahead; of plain sockets it tells again. */
    } while (c->tls != NULL && c->state != GONE);
}

static bool secure(struct connection *c) {
#ifdef WITH_TLS
    if (c->tls == NULL) {
        c->tls = SSL_new(tls_context);
        SSL_set_fd(c->tls, c->fd);
        c->state = SECURING;
    }
    int result = SSL_connect(c->tls);
    if (result == 1) return true;
    int why = SSL_get_error(c->tls, result);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) fail("the TLS handshake failed (%d)", why);
#else
    (void)c;
#endif
    return false;
}

void connection_ready(struct connection *c, uint32_t events) {
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) fail("connect: %s", strerror(error));
        watch(c, false);
        if (!client.tls || secure(c)) begin_websocket(c);
        return;
    }
    if (c->state == SECURING) {
        if (!secure(c)) return;
        begin_websocket(c);
    }
    if (events & EPOLLOUT) send_rest(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_all(c);
}
