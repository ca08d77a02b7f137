/* A sidecar for tests: a real listener on a free port, in a process of its own, that does as it is told and keeps what
   it reads in memory shared with the test. And CHECK. First of all it includes the SDK's implementation. */
#ifndef SIDECAR_H
#define SIDECAR_H

#define MONITORING_IMPLEMENTATION
#include "monitoring.h"

#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/wait.h>

#ifndef MAP_ANONYMOUS /* hidden by strict POSIX */
#define MAP_ANONYMOUS 0x20
#endif

#define CHECK(condition) check((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
static inline void check(int holds, const char *what, const char *file, int line) {
    if (holds) return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    exit(1);
}

enum { SIDECAR_BYTES = 64 << 20, PART_BYTES = 1 << 18 };

typedef struct sidecar_seen {
    volatile unsigned long bytes, connections, ended;
    volatile int reads, acks; /* whether it reads; whether it answers as one with sessions does */
    volatile unsigned long acked, welcome;
    char text[SIDECAR_BYTES];
} sidecar_seen;

typedef struct sidecar {
    sidecar_seen *seen;
    int port;
    pid_t pid;
} sidecar;

static inline void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static inline int listen_on(int port) {
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK(!bind(fd, (struct sockaddr *)&address, sizeof address) && !listen(fd, 64));
    return fd;
}

static inline int port_of(int fd) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

static inline int free_port(void) {
    int fd = listen_on(0), port = port_of(fd);
    close(fd);
    return port;
}

/* Answers a hello, and acknowledges every line with a number; the lines are whole. */
static inline void sidecar_answer(sidecar_seen *seen, int fd, const char *lines) {
    char answer[256];
    for (const char *line = lines; *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : "") {
        const char *end = strchr(line, '\n'), *hello = strstr(line, "\"type\":\"hello\""), *seq = strstr(line, ",\"seq\":");
        unsigned long number = 0;
        if (!end) break;
        if (hello && hello < end)
            snprintf(answer, sizeof answer, "{\"type\":\"welcome\",\"data\":{\"v\":1,\"max_frame\":1048576,\"last_seq\":%lu,\"window\":1000,\"window_bytes\":1048576}}\n", seen->welcome);
        else if (seq && seq < end && seen->acks == 1) {
            number = strtoul(seq + 7, NULL, 10);
            snprintf(answer, sizeof answer, "{\"type\":\"ack\",\"data\":{\"seq\":%lu}}\n", number);
        } else continue;
        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) > 0 && number) seen->acked = number;
    }
}

/* Takes over the first `size` bytes of what a connection has sent; what is acknowledged is seen before. */
static inline void sidecar_keep(sidecar_seen *seen, char *part, size_t *have, size_t size, int fd) {
    char *to = seen->text + seen->bytes;
    CHECK(size < SIDECAR_BYTES - seen->bytes);
    memcpy(to, part, size);
    memmove(part, part + size, *have -= size);
    seen->bytes += size;
    if (seen->acks) sidecar_answer(seen, fd, to);
}

/* Whole lines only, as those of several connections come in turn. Ends with its parent. */
static inline void sidecar_serve(sidecar_seen *seen, int listener, pid_t parent) {
    static char part[64][PART_BYTES];
    static size_t have[64];
    struct pollfd set[64];
    for (int i = 0; i < 64; i++) set[i].fd = -1, set[i].events = set[i].revents = 0;
    set[0].fd = listener;
    set[0].events = POLLIN;
    while (getppid() == parent) {
        poll(set, (nfds_t)(seen->reads ? 64 : 1), 10);
        for (int i = 1; i < 64 && seen->reads; i++) {
            if (!set[i].revents) continue;
            ssize_t got = read(set[i].fd, part[i] + have[i], PART_BYTES - have[i]);
            if (got > 0) have[i] += (size_t)got;
            size_t whole = have[i];
            while (got > 0 && whole && part[i][whole - 1] != '\n') whole--;
            sidecar_keep(seen, part[i], &have[i], whole, set[i].fd);
            if (got > 0) continue;
            close(set[i].fd);
            set[i].fd = -1;
            set[i].events = 0;
            seen->ended++;
        }
        for (int i = 1; i < 64 && set[0].revents & POLLIN; i++) {
            if (set[i].events) continue;
            set[i].fd = accept(listener, NULL, NULL);
            set[i].events = POLLIN;
            set[i].revents = 0;
            have[i] = 0;
            seen->connections++;
            break;
        }
    }
}

static inline void sidecar_run(sidecar *it) {
    int listener = listen_on(it->port);
    it->port = port_of(listener);
    pid_t parent = getpid();
    it->pid = fork();
    CHECK(it->pid >= 0);
    if (!it->pid) {
        sidecar_serve(it->seen, listener, parent);
        _exit(0);
    }
    close(listener);
}

/* Starts one; on port 0 on a free one. */
static inline sidecar sidecar_start(int port) {
    sidecar it = {NULL, port, 0};
    it.seen = (sidecar_seen *)mmap(NULL, sizeof *it.seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(it.seen != MAP_FAILED);
    it.seen->reads = 1;
    sidecar_run(&it);
    return it;
}

static inline void sidecar_kill(sidecar *it) {
    kill(it->pid, SIGKILL);
    waitpid(it->pid, NULL, 0);
}

static inline void sidecar_end(sidecar *it) {
    sidecar_kill(it);
    munmap(it->seen, sizeof *it->seen);
}

/* How often `what` is in what was read. */
static inline int times_seen(const sidecar *it, const char *what) {
    int count = 0;
    size_t size = strlen(what);
    const char *at = it->seen->text, *end = at + it->seen->bytes;
    /* not strstr(): under sanitizers that measures all of the text, each time */
    while ((size_t)(end - at) >= size && (at = (const char *)memchr(at, what[0], (size_t)(end - at) - size + 1)))
        if (memcmp(at, what, size)) at++;
        else count++, at += size;
    return count;
}

static inline int lines_seen(const sidecar *it) { return times_seen(it, "\n"); }

/* Waits until `what` was seen `times` times; for 30 s, for slow machines. */
static inline int wait_for(const sidecar *it, const char *what, int times) {
    for (int i = 0; i < 3000; i++) {
        if (times_seen(it, what) >= times) return 1;
        sleep_ms(10);
    }
    fprintf(stderr, "waited in vain for %d times %s in: %.2000s\n", times, what, it->seen->text);
    return 0;
}

static inline int start_client(const sidecar *it) { return mon_init("test", "127.0.0.1", it->port); }

static inline int adds_up(mon_counts c) {
    return c.accepted == c.sent + c.queued + c.full + c.encode + c.oversize + c.refused + c.closed + c.forked;
}

#endif
