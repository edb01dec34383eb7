/* A load generator for WebSocket servers: see `load --help`.
 *
 * Precomputed masked frames; the count and the content of all that comes back is checked. While it
 * measures it reads from /proc what the server (a process and its descendants) uses. The result is one
 * JSON object; an error is {"error": "..."} and exit status 1. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "connection.h"
#include "measure.h"

#define SECOND 1000000000ull
#define OPENING_AT_ONCE 64
#define STALLED (15 * SECOND)
#define MARK "0000000000" /* where a template has the number of the publication */
#define DUE_MOST 4096

static struct {
    const char *mode, *host, *path, *publish_path, *template_file;
    int port, pid;
    uint32_t connections, in_flight, size, burst;
    double warmup, seconds, rate, hold;
} options = {
    .mode = "echo", .host = "127.0.0.1", .path = "/echo", .publish_path = "/publish", .port = 8000,
    .connections = 100, .in_flight = 1, .size = 32, .burst = 1, .warmup = 0.5, .seconds = 1.5, .rate = 1000,
    .hold = 0,
};

static struct connection *connections;
static uint32_t begun, opened;
static struct histogram latency;
static uint64_t messages, reordered, last_progress;
static bool stopping;

/* The measured window. */
static struct {
    uint64_t began, own_cpu;
    struct usage server;
} start;

static void window_begin(void) {
    histogram_reset(&latency);
    messages = reordered = client.compressed = client.pings = 0;
    start.server = usage_of(options.pid);
    start.own_cpu = own_cpu_ns();
    start.began = now_ns();
}

static void window_end(void) {
    double wall = (double)(now_ns() - start.began);
    struct usage server = usage_of(options.pid);
    double own = (double)(own_cpu_ns() - start.own_cpu);
    printf("{\"mode\": \"%s\", \"seconds\": %.4f, \"messages\": %llu, \"server_cpu_us\": %.1f, ", options.mode,
           wall / 1e9, (unsigned long long)messages, (double)(server.cpu_ns - start.server.cpu_ns) / 1000.0);
    printf("\"client_cpu_share\": %.3f, \"server_cpu_share\": %.3f, ", own / wall,
           (double)(server.cpu_ns - start.server.cpu_ns) / wall);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, ", histogram_quantile_us(&latency, 0.5),
           histogram_quantile_us(&latency, 0.99), (double)latency.max / 1000.0);
    printf("\"rss_kib\": %llu, \"processes\": %u, \"threads\": %u, ", (unsigned long long)server.rss_kib,
           server.processes, server.threads);
    printf("\"reordered\": %llu, \"compressed\": %llu, \"pings\": %llu", (unsigned long long)reordered,
           (unsigned long long)client.compressed, (unsigned long long)client.pings);
    stopping = true;
}

/* --- Echo, closed loop: as many messages in flight on each connection as options.in_flight --------- */

struct echo {
    uint8_t *plain;          /* the ring's payloads, one after the other */
    struct buffer ring;      /* its frames, twice, so that any run of them is contiguous */
    size_t frame;            /* bytes of one frame */
    uint64_t sent, received; /* their difference is in flight */
    size_t raw_at;           /* raw: bytes of the next message that have come */
    uint64_t *sent_at;
};

static uint32_t ring_size(void) { return options.in_flight; }

static void echo_prepare(struct connection *c) {
    struct echo *e = c->user = calloc(1, sizeof *e);
    uint32_t k = ring_size();
    const char *before = client.socketio ? "42[\"m\",\"" : "", *after = client.socketio ? "\"]" : "";
    size_t extra = strlen(before) + strlen(after), size = options.size + extra;
    e->plain = malloc(size * k + 1);
    e->sent_at = calloc(strcmp(options.mode, "rate") == 0 ? DUE_MOST : k, sizeof *e->sent_at);
    for (uint32_t i = 0; i < k; i++) {
        uint8_t *p = e->plain + i * size;
        size_t head = (size_t)sprintf((char *)p, "%s%07u.%03u|", before, c->index, i);
        for (size_t at = head; at < size; at++) p[at] = (uint8_t)('a' + at % 26);
        memcpy(p + size - strlen(after), after, strlen(after));
    }
    for (uint32_t i = 0; i < 2 * k; i++) append_frame(&e->ring, e->plain + (i % k) * size, size);
    e->frame = e->ring.length / (2 * k);
}

static size_t echo_size(void) { return options.size + (client.socketio ? 10u : 0u); }

static void echo_send(struct connection *c, uint32_t count, uint64_t now) {
    struct echo *e = c->user;
    uint32_t k = ring_size(), slot = (uint32_t)(e->sent % k);
    for (uint32_t i = 0; i < count; i++) e->sent_at[(slot + i) % k] = now;
    e->sent += count;
    connection_send(c, e->ring.data + slot * e->frame, count * e->frame);
}

static void echo_came(struct connection *c, uint32_t slot, uint64_t now) {
    struct echo *e = c->user;
    histogram_add(&latency, now - e->sent_at[slot]);
    e->received++;
    messages++;
}

static void echo_message(struct connection *c, const uint8_t *data, size_t length) {
    struct echo *e = c->user;
    size_t size = echo_size();
    uint32_t k = ring_size(), slot = (uint32_t)(e->received % k);
    if (e->received == e->sent) fail("an answer to nothing on connection %u", c->index);
    if (length != size) fail("an answer of %zu bytes to a message of %zu", length, size);
    if (memcmp(data, e->plain + slot * size, size) != 0) {
        /* Perhaps the answer to another message that is in flight. */
        uint32_t other = 0;
        while (other < k && memcmp(data, e->plain + other * size, size) != 0) other++;
        if (other == k) fail("an answer that differs from the message: %.60s", (const char *)data);
        slot = other;
        reordered++;
    }
    echo_came(c, slot, now_ns());
}

/* Raw: the frames themselves come back, as one stream of bytes. */
static void echo_bytes(struct connection *c, const uint8_t *data, size_t length) {
    struct echo *e = c->user;
    uint64_t now = now_ns();
    while (length > 0) {
        uint32_t slot = (uint32_t)(e->received % ring_size());
        size_t part = e->frame - e->raw_at < length ? e->frame - e->raw_at : length;
        if (memcmp(data, e->ring.data + slot * e->frame + e->raw_at, part) != 0)
            fail("the bytes that came back differ");
        data += part;
        length -= part;
        e->raw_at += part;
        if (e->raw_at == e->frame) {
            e->raw_at = 0;
            echo_came(c, slot, now);
        }
    }
}

static void echo_refill(struct connection *c) {
    struct echo *e = c->user;
    if (c->state != OPEN || stopping) return;
    uint32_t missing = options.in_flight - (uint32_t)(e->sent - e->received);
    if (missing > 0) echo_send(c, missing, now_ns());
}

/* --- Echo at a fixed rate, open loop: a message is due whether or not earlier ones were answered ---- */

static uint64_t next_due, due_interval;
static uint32_t due_connection;
static int timer;

static void rate_arm(void) {
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(next_due / SECOND), .tv_nsec = (long)(next_due % SECOND)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void rate_start(void) {
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(client.epoll, EPOLL_CTL_ADD, timer, &event);
    due_interval = (uint64_t)((double)SECOND / options.rate);
    next_due = now_ns() + SECOND / 100;
    rate_arm();
}

/* Send what is due. Latency counts from when it was due, not from when it could be sent. */
static void rate_tick(void) {
    uint64_t expirations, now = now_ns();
    if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timerfd: %s", strerror(errno));
    for (; next_due <= now; next_due += due_interval) {
        struct connection *c = &connections[due_connection];
        struct echo *e = c->user;
        due_connection = (due_connection + 1) % options.connections;
        if (e->sent - e->received >= DUE_MOST) fail("the server cannot keep up with %.0f messages/s", options.rate);
        e->sent_at[e->sent % DUE_MOST] = next_due;
        uint32_t slot = (uint32_t)(e->sent++ % ring_size());
        connection_send(c, e->ring.data + slot * e->frame, e->frame);
    }
    if (!stopping) rate_arm();
}

static void rate_message(struct connection *c, const uint8_t *data, size_t length) {
    struct echo *e = c->user;
    size_t size = echo_size();
    uint32_t slot = (uint32_t)(e->received % ring_size());
    if (length != size || memcmp(data, e->plain + slot * size, size) != 0) fail("an answer that differs");
    echo_came(c, (uint32_t)(e->received % DUE_MOST), now_ns());
}

static void rate_bytes(struct connection *c, const uint8_t *data, size_t length) {
    struct echo *e = c->user;
    uint64_t now = now_ns();
    while (length > 0) {
        size_t part = e->frame - e->raw_at < length ? e->frame - e->raw_at : length;
        if (memcmp(data, e->ring.data + (e->received % ring_size()) * e->frame + e->raw_at, part) != 0)
            fail("the bytes that came back differ");
        data += part, length -= part, e->raw_at += part;
        if (e->raw_at < e->frame) break;
        e->raw_at = 0;
        echo_came(c, (uint32_t)(e->received % DUE_MOST), now);
    }
}

/* --- Fan-out: the publisher asks for a burst, and for the next when all subscribers have it --------- */

static struct {
    char *template;
    size_t size, mark;
    uint64_t published, waiting, missing, first, asked_at;
    bool settled;
} fan;

static void read_template(void) {
    FILE *f = fopen(options.template_file ? options.template_file : "", "r");
    if (f == NULL) fail("cannot read the template of the publications");
    fan.template = calloc(1, 1 << 20);
    fan.size = fread(fan.template, 1, (1 << 20) - 1, f);
    fclose(f);
    char *mark = strstr(fan.template, MARK);
    if (mark == NULL) fail("the template has no %s", MARK);
    fan.mark = (size_t)(mark - fan.template);
}

static void fan_ask(uint32_t count) {
    struct connection *publisher = &connections[options.connections];
    char text[64];
    int n = snprintf(text, sizeof text, client.socketio ? "42[\"m\",\"p:%u\"]" : "p:%u", count);
    fan.first = fan.published;
    fan.published += count;
    fan.missing = fan.waiting = (uint64_t)count * options.connections;
    fan.asked_at = now_ns();
    if (client.raw_in_frames) {
        n += snprintf(text + n, sizeof text - (size_t)n, "\n");
        connection_send(publisher, (const uint8_t *)text, (size_t)n);
        return;
    }
    struct buffer frame = {0};
    append_frame(&frame, (const uint8_t *)text, (size_t)n);
    connection_send(publisher, frame.data, frame.length);
    free(frame.data);
}

static void fan_message(struct connection *c, const uint8_t *data, size_t length) {
    size_t before = client.socketio ? 8 : 0, after = client.socketio ? 2 : 0;
    size_t digits = strlen(MARK);
    char number[16] = {0};
    uint64_t *next = c->user;
    if (c->index == options.connections) return; /* some servers answer the publisher */
    if (length != fan.size + before + after) fail("a publication of %zu bytes: %.60s", length, (const char *)data);
    data += before;
    if (memcmp(data, fan.template, fan.mark) != 0 ||
        memcmp(data + fan.mark + digits, fan.template + fan.mark + digits, fan.size - fan.mark - digits) != 0)
        fail("a publication with a wrong content: %.60s", (const char *)data);
    memcpy(number, data + fan.mark, digits);
    uint64_t n = strtoull(number, NULL, 10);
    if (n < fan.first || n >= fan.published) {
        if (!fan.settled) return; /* of an earlier attempt */
        fail("publication %llu is neither new nor awaited", (unsigned long long)n);
    }
    if (fan.settled && n != *next) reordered++;
    *next = n + 1;
    if (fan.missing == 0) fail("a publication came twice");
    fan.missing--;
    messages++;
    histogram_add(&latency, now_ns() - fan.asked_at);
}

/* --- Set-up and the loop --------------------------------------------------------------------------- */

static uint32_t total(void) { return options.connections + (strcmp(options.mode, "fanout") == 0); }

static void on_open(struct connection *c) {
    opened++;
    last_progress = now_ns();
    if (client.raw_in_frames && c->index < options.connections) connection_send(c, (const uint8_t *)"s\n", 2);
}

static void ignore_message(struct connection *c, const uint8_t *data, size_t length) {
    (void)c, (void)data, (void)length;
}

/* Handle what happens until then, at the latest. */
static void handle_events(uint64_t until) {
    struct epoll_event events[512];
    uint64_t now = now_ns();
    int wait = until <= now ? 0 : (int)((until - now + 999999) / 1000000);
    int n = epoll_wait(client.epoll, events, 512, wait);
    if (n < 0 && errno != EINTR) fail("epoll: %s", strerror(errno));
    bool closed_loop = strcmp(options.mode, "echo") == 0;
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (c == NULL) {
            rate_tick();
            continue;
        }
        connection_ready(c, events[i].events);
        if (closed_loop && start.began) echo_refill(c);
    }
}

static void open_until(uint32_t count) {
    last_progress = now_ns();
    while (opened < count) {
        while (begun < count && begun - opened < OPENING_AT_ONCE) connection_begin(&connections[begun++]);
        handle_events(now_ns() + SECOND / 10);
        if (now_ns() - last_progress > STALLED) fail("a handshake is not answered; %u of %u are", opened, count);
    }
}

static void idle_for(double seconds) {
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) handle_events(end);
}

static void run_echo(double seconds) {
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9), seen = messages;
    for (uint64_t now; (now = now_ns()) < end;) {
        handle_events(end);
        if (messages != seen) {
            seen = messages;
            last_progress = now;
        } else if (now - last_progress > STALLED) {
            fail("no answer for %llu s", STALLED / SECOND);
        }
    }
}

static void run_fanout(double seconds) {
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        fan_ask(options.burst);
        /* All of what was asked for belongs to the window, and is over before its end is read. */
        last_progress = now_ns();
        while (fan.missing > 0) {
            uint64_t missing = fan.missing;
            handle_events(last_progress + STALLED);
            if (fan.missing != missing)
                last_progress = now_ns();
            else if (now_ns() - last_progress > STALLED)
                fail("%llu of %llu deliveries are missing", (unsigned long long)fan.missing,
                     (unsigned long long)fan.waiting);
        }
    }
}

/* A handshake may be answered before the server has subscribed the connection: try until all have one. */
static void settle_fanout(void) {
    for (int attempt = 0; attempt < 20; attempt++) {
        idle_for(0.2);
        fan_ask(1);
        uint64_t end = now_ns() + 3 * SECOND;
        while (fan.missing > 0 && now_ns() < end) handle_events(end);
        if (fan.missing == 0) {
            fan.settled = true;
            return;
        }
    }
    fail("%llu of %u subscribers receive nothing", (unsigned long long)fan.missing, options.connections);
}

/* The first connections warm the server up; cost and memory are those of the others. */
static void run_open(void) {
    uint32_t warm = options.connections / 20 + 1, counted = options.connections - warm;
    open_until(warm);
    idle_for(0.5);
    window_begin();
    uint64_t rss_before = start.server.rss_kib;
    open_until(options.connections);
    double opening = (double)(now_ns() - start.began) / 1e9;
    idle_for(0.2); /* the server may have something left to do for the last ones */
    messages = counted;
    window_end();
    uint64_t began = now_ns(), cpu = usage_of(options.pid).cpu_ns;
    stopping = false;
    client.pings = 0;
    idle_for(options.hold > 0.5 ? options.hold : 0.5);
    struct usage after = usage_of(options.pid);
    printf(", \"opening_s\": %.3f, \"per_second\": %.1f, \"bytes_per_connection\": %.0f, ", opening, counted / opening,
           ((double)after.rss_kib - (double)rss_before) * 1024 / counted);
    printf("\"hold_s\": %.1f, \"hold_cpu_share\": %.5f, \"hold_pings\": %llu", (double)(now_ns() - began) / 1e9,
           (double)(after.cpu_ns - cpu) / (double)(now_ns() - began), (unsigned long long)client.pings);
}

static const char help[] =
    "usage: load [options]\n"
    "  --mode echo|rate|fanout|open   closed loop, fixed rate, publications to all, connect and hold\n"
    "  --host H --port P --pid PID    the server; PID: whose CPU time is counted, with its descendants\n"
    "  --connections N --in-flight K --size BYTES --rate PER_SECOND (all connections together)\n"
    "  --path /echo --publish-path /publish --burst N --template FILE (fanout)\n"
    "  --hold SECONDS (open) --warmup SECONDS --seconds SECONDS\n"
    "  --raw          no WebSocket: frames are echoed as bytes; fanout: frames come without a handshake\n"
    "  --tls --deflate --socketio\n";

static void parse(int argc, char **argv) {
    enum { MODE = 1, HOST, PORT, PID, CONNECTIONS, IN_FLIGHT, SIZE, RATE, PATH, PUBLISH, BURST, TEMPLATE, HOLD,
           WARMUP, SECONDS, RAW, TLS, DEFLATE, SOCKETIO, HELP };
    static const struct option known[] = {
        {"mode", 1, 0, MODE}, {"host", 1, 0, HOST}, {"port", 1, 0, PORT}, {"pid", 1, 0, PID},
        {"connections", 1, 0, CONNECTIONS}, {"in-flight", 1, 0, IN_FLIGHT}, {"size", 1, 0, SIZE},
        {"rate", 1, 0, RATE}, {"path", 1, 0, PATH}, {"publish-path", 1, 0, PUBLISH}, {"burst", 1, 0, BURST},
        {"template", 1, 0, TEMPLATE}, {"hold", 1, 0, HOLD}, {"warmup", 1, 0, WARMUP}, {"seconds", 1, 0, SECONDS},
        {"raw", 0, 0, RAW}, {"tls", 0, 0, TLS}, {"deflate", 0, 0, DEFLATE}, {"socketio", 0, 0, SOCKETIO},
        {"help", 0, 0, HELP}, {0}};
    for (int choice; (choice = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (choice) {
        case MODE: options.mode = optarg; break;
        case HOST: options.host = optarg; break;
        case PORT: options.port = atoi(optarg); break;
        case PID: options.pid = atoi(optarg); break;
        case CONNECTIONS: options.connections = (uint32_t)atoi(optarg); break;
        case IN_FLIGHT: options.in_flight = (uint32_t)atoi(optarg); break;
        case SIZE: options.size = (uint32_t)atoi(optarg); break;
        case RATE: options.rate = atof(optarg); break;
        case PATH: options.path = optarg; break;
        case PUBLISH: options.publish_path = optarg; break;
        case BURST: options.burst = (uint32_t)atoi(optarg); break;
        case TEMPLATE: options.template_file = optarg; break;
        case HOLD: options.hold = atof(optarg); break;
        case WARMUP: options.warmup = atof(optarg); break;
        case SECONDS: options.seconds = atof(optarg); break;
        case RAW: client.raw = true; break;
        case TLS: client.tls = true; break;
        case DEFLATE: client.deflate = true; break;
        case SOCKETIO: client.socketio = true; break;
        case HELP: fputs(help, stdout); exit(0);
        default: fputs(help, stderr); exit(2);
        }
    }
    if (options.connections < 1 || options.in_flight < 1 || options.in_flight > 1000 || options.size < 12 ||
        options.burst < 1 || options.rate <= 0)
        fail("an option is out of range");
}

static void set_up(void) {
    bool fanout = strcmp(options.mode, "fanout") == 0, rate = strcmp(options.mode, "rate") == 0;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < total() + 64) fail("%u connections need a higher limit of open files", total());
    prctl(PR_SET_TIMERSLACK, 1ul, 0, 0, 0);
    connections = calloc(total(), sizeof *connections);
    for (uint32_t i = 0; i < total(); i++) {
        struct connection *c = &connections[i];
        c->index = i;
        c->path = i == options.connections ? options.publish_path : options.path;
        if (fanout) c->user = calloc(1, sizeof(uint64_t));
        if (rate || strcmp(options.mode, "echo") == 0) echo_prepare(c);
    }
    if (fanout) {
        read_template();
        client.raw_in_frames = client.raw;
        client.raw = false;
    }
    client.opened = on_open;
    client.message = fanout ? fan_message : rate ? rate_message : echo_message;
    client.bytes = rate ? rate_bytes : echo_bytes;
    if (strcmp(options.mode, "open") == 0) client.message = ignore_message;
    client_start(options.host, options.port);
}

int main(int argc, char **argv) {
    parse(argc, argv);
    if (strcmp(options.mode, "rate") == 0) options.in_flight = 16; /* different payloads in turn */
    set_up();
    if (strcmp(options.mode, "open") == 0) {
        run_open();
    } else {
        open_until(total());
        void (*run)(double) = run_echo;
        if (strcmp(options.mode, "fanout") == 0) {
            settle_fanout();
            run = run_fanout;
            for (uint32_t i = 0; i < options.connections; i++) *(uint64_t *)connections[i].user = fan.published;
        } else if (strcmp(options.mode, "rate") == 0) {
            rate_start();
        } else if (strcmp(options.mode, "echo") == 0) {
            window_begin();
            for (uint32_t i = 0; i < options.connections; i++) echo_refill(&connections[i]);
        } else {
            fail("there is no mode %s", options.mode);
        }
        last_progress = now_ns();
        run(options.warmup);
        window_begin();
        run(options.seconds);
        window_end();
    }
    printf("}\n");
    for (uint32_t i = 0; i < total(); i++) connection_abort(&connections[i]);
    return 0;
}
