/* Processes: fork, exec, the end of the program. */
#include "sidecar.h"

enum { CHILDREN = 8, RECORDS = 1000 };

/* The parent's connection and backlog stay the parent's; each child has its own, and where it is in the trace. */
static void forks(void) {
    sidecar it = sidecar_start(0);
    char mark[64], trace[80];
    CHECK(start_client(&it));
    mon_set_context(mon_str("kept", "yes"));
    mon_span span = mon_span_start("parent");
    mon_event("info", "parent", NULL);
    for (int child = 0; child < CHILDREN; child++) {
        if (fork()) continue;
        CHECK(mon_stats().accepted == 0 && !mon_span_end(span, NULL));
        for (int i = 0; i < RECORDS; i++) mon_event("info", "child", MON_FIELDS(mon_int("child", child), mon_int("number", i)));
        exit(mon_flush(20) ? 0 : 1);
    }
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        CHECK(wait(&status) > 0 && status == 0);
        mon_event("info", "parent", NULL);
    }
    mon_span_end(span, NULL);
    CHECK(wait_for(&it, "\"message\":\"child\"", CHILDREN * RECORDS) && wait_for(&it, "\"message\":\"parent\"", CHILDREN + 1));
    CHECK(times_seen(&it, "{\"source\"") == lines_seen(&it) && times_seen(&it, "\"message\":\"child\"") == CHILDREN * RECORDS);
    CHECK(it.seen->connections == CHILDREN + 1 && times_seen(&it, "abandoned") == 0);
    for (int child = 0; child < CHILDREN; child++) {
        snprintf(mark, sizeof mark, "{\"child\":%d,\"number\":%d,\"kept\":\"yes\"}", child, RECORDS - 1);
        CHECK(times_seen(&it, mark) == 1);
    }
    const char *first = strstr(it.seen->text, "\"trace_id\"");
    snprintf(trace, sizeof trace, "%.*s", 73, first);
    CHECK(times_seen(&it, trace) == CHILDREN * RECORDS + CHILDREN + 3);
    CHECK(mon_close());
    sidecar_end(&it);
}

/* What is queued when it forks is the parent's to send; a child that does nothing sends nothing at its end. */
static void queued(void) {
    sidecar it = {NULL, free_port(), 0};
    CHECK(start_client(&it));
    for (int i = 0; i < 10; i++) mon_event("info", "queued", NULL);
    pid_t idle = fork();
    if (!idle) exit(0);
    pid_t child = fork();
    if (!child) {
        mon_counts counts = mon_stats();
        _exit(counts.forked == 10 && counts.queued == 0 && adds_up(counts) ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0 && waitpid(idle, &status, 0) == idle && status == 0);
    it = sidecar_start(it.port);
    CHECK(mon_flush(20) && wait_for(&it, "\"message\":\"queued\"", 10) && times_seen(&it, "queued") == 10);
    CHECK(mon_close());
    sidecar_end(&it);
}

/* exit() sends what is queued, and ends what is open; a program that is executed inherits no descriptor. */
static void ends(void) {
    sidecar it = sidecar_start(0);
    int status;
    pid_t child = fork();
    if (!child) {
        start_client(&it);
        mon_span_start("open");
        mon_event("info", "last words", NULL);
        exit(3);
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
    CHECK(wait_for(&it, "last words", 1) && wait_for(&it, "\"status\":\"abandoned\"", 1));
    CHECK(start_client(&it) && mon_event("info", "exec", NULL));
    CHECK(fcntl(mon__s.fd, F_GETFD) & FD_CLOEXEC);
    CHECK(mon_close());
    sidecar_end(&it);
}

/* Ids of forked processes differ: no state of the random source is shared. */
static void ids(void) {
    sidecar it = {NULL, free_port(), 0};
    enum { IDS = 10000 };
    size_t size = sizeof(mon_span) * IDS * CHILDREN;
    mon_span *all = (mon_span *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(start_client(&it) && mon_span_start("first"));
    for (int child = 0; child < CHILDREN; child++) {
        if (fork()) continue;
        for (int i = 0; i < IDS; i++) mon_span_end(all[child * IDS + i] = mon_span_start("s"), NULL);
        _exit(0);
    }
    for (int i = 0; i < CHILDREN; i++) wait(NULL);
    enum { SLOTS = 1 << 20 };
    mon_span *slots = (mon_span *)calloc(SLOTS, sizeof *slots);
    for (int i = 0; i < IDS * CHILDREN; i++) {
        size_t at = (size_t)(all[i] % SLOTS);
        for (; slots[at]; at = (at + 1) % SLOTS) CHECK(slots[at] != all[i]);
        slots[at] = all[i];
    }
    free(slots);
    munmap(all, size);
    mon_close();
}

int main(void) {
    setenv("MONITORING_QUIET", "1", 1);
    forks();
    queued();
    ends();
    ids();
    return 0;
}
