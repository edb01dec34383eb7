/* One client connection: TCP, TLS if asked, the WebSocket handshake, frames in and out.
 *
 * Nothing here knows of the kinds of load; what arrives goes to the callbacks of `struct client`. All
 * sockets are non-blocking and in one epoll set. An error of any connection ends the program: a server
 * that loses one is not measured. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum state { CONNECTING, SECURING, UPGRADING, JOINING, OPEN, GONE };

struct buffer {
    uint8_t *data;
    size_t length, capacity;
};

struct connection {
    int fd;
    enum state state;
    uint32_t index;
    const char *path;
    bool wants_write;      /* epoll is asked for EPOLLOUT */
    bool inflate_resets;   /* the server compresses without context takeover */
    bool part_compressed;  /* RSV1 of the message whose fragments are collected */
    struct buffer rest;    /* the start of a frame whose end has not arrived */
    struct buffer parts;   /* fragments of a message */
    struct buffer unsent;  /* what the kernel did not take yet */
    void *tls;             /* SSL */
    void *inflater;        /* z_stream */
    void *user;
};

struct client {
    struct sockaddr_in server;
    int epoll;
    bool raw;        /* no handshake, no frames: bytes as they come */
    bool raw_in_frames; /* no handshake, but what arrives are frames */
    bool socketio;   /* join the default namespace after the handshake */
    bool tls, deflate;
    uint64_t compressed, pings;
    void (*opened)(struct connection *c);
    void (*message)(struct connection *c, const uint8_t *data, size_t length);
    void (*bytes)(struct connection *c, const uint8_t *data, size_t length); /* raw only */
};

extern struct client client;

/* Print the reason as JSON, and end. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

void client_start(const char *host, int port);
/* Begin to connect, each connection from another of eight loopback addresses in turn. */
void connection_begin(struct connection *c);
/* Do what epoll says is possible. */
void connection_ready(struct connection *c, uint32_t events);
void connection_send(struct connection *c, const uint8_t *data, size_t length);
/* Reset it, so that no port is left in TIME_WAIT. */
void connection_abort(struct connection *c);

/* Append a masked text frame. */
void append_frame(struct buffer *to, const uint8_t *payload, size_t length);
void buffer_append(struct buffer *b, const void *data, size_t length);

#endif
