/* The limit: what a C program needs for the same bytes. `c_server PORT echo|each|batched TEMPLATE`
 *
 * echo: bytes come back as they came. each, batched: a connection that sends "s" is a subscriber; one that
 * sends "p:COUNT" has COUNT publications, framed as WebSocket text, written to all subscribers, by one
 * write() each or by one for all of the burst. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MARK "0000000000"
#define MOST 65536

static int epoll, *subscribers, subscriber_count;
static char *template, data[256 * 1024];
static size_t template_size, mark;
static unsigned long long published;

static void write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) continue; /* spins: it never has to wait long for this load generator */
            return;
        }
        bytes += n;
        length -= (size_t)n;
    }
}

static size_t frame(char *to) {
    char digits[16];
    size_t head = 2;
    to[0] = (char)0x81;
    if (template_size < 126) {
        to[1] = (char)template_size;
    } else {
        to[1] = 126, to[2] = (char)(template_size >> 8), to[3] = (char)template_size, head = 4;
    }
    memcpy(to + head, template, template_size);
    snprintf(digits, sizeof digits, "%010llu", published++);
    memcpy(to + head + mark, digits, 10);
    return head + template_size;
}

static void publish(int count, int batched) {
    char *joined = malloc((template_size + 4) * (size_t)count);
    size_t one = 0, length = 0;
    for (int i = 0; i < count; i++) length += one = frame(joined + length);
    if (batched) one = length;
    for (size_t at = 0; at < length; at += one)
        for (int i = 0; i < subscriber_count; i++) write_all(subscribers[i], joined + at, one);
    free(joined);
}

static void forget(int fd) {
    for (int i = 0; i < subscriber_count; i++)
        if (subscribers[i] == fd) subscribers[i--] = subscribers[--subscriber_count];
    close(fd);
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        perror("listen");
        exit(1);
    }
    return fd;
}

static void read_template(const char *name) {
    FILE *f = fopen(name, "r");
    template = calloc(1, MOST);
    if (f == NULL || (template_size = fread(template, 1, MOST - 1, f)) == 0 || strstr(template, MARK) == NULL) {
        fprintf(stderr, "cannot use %s\n", name);
        exit(1);
    }
    fclose(f);
    mark = (size_t)(strstr(template, MARK) - template);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int echo = strcmp(argv[2], "echo") == 0, batched = strcmp(argv[2], "batched") == 0;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    read_template(argv[3]);
    subscribers = calloc(MOST, sizeof *subscribers);
    epoll = epoll_create1(0);
    int listener = listen_on(atoi(argv[1]));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[512];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(listener);
                continue;
            }
            ssize_t got = recv(fd, data, sizeof data - 1, 0);
            if (got <= 0) {
                if (got == 0 || errno != EAGAIN) forget(fd);
            } else if (echo) {
                write_all(fd, data, (size_t)got);
            } else if (data[0] == 's') {
                if (subscriber_count < MOST) subscribers[subscriber_count++] = fd;
            } else {
                data[got] = 0;
                publish(atoi(data + 2), batched);
            }
        }
    }
}
