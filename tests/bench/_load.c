/* A load client that costs little: keep-alive connections, one request at a time on each, one thread, epoll.

   load PORT CONNECTIONS SECONDS RATE FILE
     RATE 0: closed loop, each connection sends its next request when it has its answer
     RATE n: open loop, n requests a second are due at even times; latency counts from the time a request was due, so a
             server that stalls is charged for what waited meanwhile
   FILE: requests, each as a 4-byte little-endian length and its bytes (head and body), sent round robin.

   Prints one line of JSON. Latencies in microseconds. cpu: seconds of this process. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct connection { int fd, busy; int64_t due; const char *out; uint32_t left; char in[4096]; uint32_t have; };

static int port, epoll_fd, timer_fd;
static char *requests; static size_t size, at;
static uint64_t answered, accepted, refused, broken;
static uint32_t *latencies; static size_t room;

static int64_t now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static void die(const char *what) { perror(what); exit(1); }

static void open_connection(struct connection *c) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a)) die("connect");
    int one = 1; setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->busy = 0; c->have = 0;
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
}

static void push(struct connection *c) {
    while (c->left) {
        ssize_t n = send(c->fd, c->out, c->left, MSG_NOSIGNAL);
        if (n < 0) { if (errno == EAGAIN) continue; broken++; close(c->fd); open_connection(c); return; }
        c->out += n; c->left -= n;
    }
}

static void ask(struct connection *c, int64_t due) {
    if (at + 4 > size) at = 0;
    uint32_t length; memcpy(&length, requests + at, 4);
    c->out = requests + at + 4; c->left = length; at += 4 + length;
    c->due = due; c->busy = 1; c->have = 0;
    push(c);
}

/* 1: an answer is complete */
static int take(struct connection *c) {
    ssize_t n = recv(c->fd, c->in + c->have, sizeof c->in - 1 - c->have, 0);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0) { broken += c->busy; close(c->fd); open_connection(c); return 0; }
    c->have += n; c->in[c->have] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return 0;
    char *length = strcasestr(c->in, "content-length:");
    size_t body = length && length < end ? strtoul(length + 15, 0, 10) : 0;
    if (c->have < (size_t)(end + 4 - c->in) + body) return 0;
    int64_t took = (now_ns() - c->due) / 1000;
    if (answered < room) latencies[answered] = took > 4000000000LL ? 4000000000u : (uint32_t)took;
    answered++;
    if (!strncmp(c->in + 9, "200", 3)) accepted++; else refused++;
    c->busy = 0;
    return 1;
}

static int compare(const void *a, const void *b) { uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b; return x < y ? -1 : x > y; }

int main(int count, char **words) {
    if (count != 6) { fprintf(stderr, "load PORT CONNECTIONS SECONDS RATE FILE\n"); return 2; }
    port = atoi(words[1]); int connections = atoi(words[2]); double seconds = atof(words[3]), rate = atof(words[4]);
    int fd = open(words[5], O_RDONLY); struct stat s;
    if (fd < 0 || fstat(fd, &s)) die(words[5]);
    size = s.st_size;
    requests = mmap(0, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (requests == MAP_FAILED) die("mmap");
    room = 200000 * (size_t)(seconds + 1);
    latencies = malloc(room * sizeof *latencies);
    epoll_fd = epoll_create1(0);
    struct connection *all = calloc(connections, sizeof *all), **idle = calloc(connections, sizeof *idle);
    int idle_count = 0;
    for (int i = 0; i < connections; i++) { open_connection(&all[i]); idle[idle_count++] = &all[i]; }
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event timer = { .events = EPOLLIN, .data.ptr = 0 };
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &timer);
    int64_t began = now_ns(), stop = began + (int64_t)(seconds * 1e9), gap = rate > 0 ? (int64_t)(1e9 / rate) : 0, due = began;
    if (!gap) { while (idle_count) ask(idle[--idle_count], now_ns()); }
    struct epoll_event events[256];
    for (;;) {
        int64_t now = now_ns();
        if (now >= stop) break;
        if (gap) {
            while (due <= now && idle_count) { ask(idle[--idle_count], due); due += gap; }
            if (due > now) {
                struct itimerspec next = { .it_value = { due / 1000000000, due % 1000000000 } };
                timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &next, 0);
            }
        }
        int n = epoll_wait(epoll_fd, events, 256, 20);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) { uint64_t ticks; if (read(timer_fd, &ticks, 8) < 0) { } continue; }
            int was_busy = c->busy;
            int done = take(c);
            if (gap) { if (done || (was_busy && !c->busy)) idle[idle_count++] = c; }
            else if (done || !c->busy) ask(c, now_ns());
        }
    }
    double took = (now_ns() - began) / 1e9;
    /* what was due and never sent has waited until now at least */
    uint64_t unsent = 0;
    if (gap) for (; due < stop; due += gap) { unsent++; if (answered + unsent - 1 < room) latencies[answered + unsent - 1] = (now_ns() - due) / 1000; }
    size_t kept = answered + unsent < room ? answered + unsent : room;
    qsort(latencies, kept, sizeof *latencies, compare);
    struct rusage used; getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
#define P(q) (kept ? latencies[(size_t)((kept - 1) * q)] : 0)
    printf("{\"seconds\":%.3f,\"accepted\":%lu,\"refused\":%lu,\"broken\":%lu,\"unsent\":%lu,\"p50\":%u,\"p99\":%u,\"p999\":%u,\"max\":%u,\"cpu\":%.3f}\n",
           took, accepted, refused, broken, unsent, P(0.5), P(0.99), P(0.999), P(1.0), cpu);
    return 0;
}
