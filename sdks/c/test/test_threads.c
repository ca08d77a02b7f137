/* Eight threads at once, with contexts and spans of their own; and forks, re-starts and closes meanwhile. */
#include "sidecar.h"

enum { THREADS = 8 };
static int records = 10000;
static sidecar it;

static void *work(void *number) {
    char name[16], text[64];
    int thread = (int)(size_t)number;
    snprintf(name, sizeof name, "t%d", thread);
    mon_set_context(mon_str("thread", name));
    for (int i = 0; i < records; i++) {
        if (i % 10) continue;
        MON_SPAN(span, name);
        (void)span;
        while (!mon_event("info", "work", MON_FIELDS(mon_int("number", i)))) sleep_ms(1);
        snprintf(text, sizeof text, "00-");
        mon_traceparent(text);
    }
    for (int i = 0; i < records; i++)
        while (!mon_event("warn", "whole", MON_FIELDS(mon_int("number", i)))) sleep_ms(1);
    return NULL;
}

/* From one thread to the next while the others are at work: fork, flush, stats. */
static void *disturb(void *unused) {
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (!child) _exit(mon_event("info", "forked", NULL) ? 0 : 1);
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        mon_flush(0.01);
        CHECK(adds_up(mon_stats()));
    }
    return unused;
}

static void *restart(void *unused) {
    for (int i = 0; i < 50; i++) {
        mon_event("info", "restart", NULL);
        mon_init(i % 2 ? "one" : "other", "127.0.0.1", it.port);
        mon_span_end(mon_span_start("s"), NULL);
        if (i % 7 == 0) mon_close();
    }
    return unused;
}

static void run(int threads, void *(*body)(void *), void *(*other)(void *)) {
    pthread_t thread[THREADS + 1];
    for (size_t i = 0; i < (size_t)threads; i++) CHECK(!pthread_create(&thread[i], NULL, body, (void *)i));
    if (other) CHECK(!pthread_create(&thread[threads], NULL, other, NULL));
    for (int i = 0; i < threads + (other ? 1 : 0); i++) CHECK(!pthread_join(thread[i], NULL));
}

int main(int count, char **arguments) {
    char mark[64];
    if (count > 1) records = atoi(arguments[1]);
    setenv("MONITORING_QUIET", "1", 1);
    it = sidecar_start(0);
    CHECK(start_client(&it));
    run(THREADS, work, disturb);
    CHECK(mon_flush(60) && wait_for(&it, "\"message\":\"whole\"", THREADS * records));
    CHECK(times_seen(&it, "{\"source\"") == lines_seen(&it) && wait_for(&it, "\"message\":\"forked\"", 20));
    for (int i = 0; i < THREADS; i++) {
        snprintf(mark, sizeof mark, "{\"number\":%d,\"thread\":\"t%d\"}", records - 1, i);
        CHECK(times_seen(&it, mark) >= 1);
    }
    CHECK(adds_up(mon_stats()) && mon_close());
    run(THREADS, restart, NULL);
    mon_close();
    sidecar_end(&it);
    return 0;
}
