/* Whatever it is given, and whenever: nothing ends, blocks or changes the host. */
#include "sidecar.h"

static unsigned long long state = 1;
static unsigned roll(unsigned limit) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(state >> 33) % limit;
}

static char garbage[20000];
static const char *text(void) {
    static char copy[8][12000];
    static int at;
    if (!roll(5)) return NULL;
    char *out = copy[at++ & 7];
    unsigned size = roll(20) ? roll(40) : roll(11999);
    memcpy(out, garbage + roll(8000), size);
    out[size] = 0;
    return out;
}

static mon_field any(int depth);
static mon_field pool[64][6];
static const mon_field *fields(int depth) {
    if (!roll(4)) return NULL;
    mon_field *list = pool[roll(64)]; /* lists share and contain each other: cycles too */
    unsigned count = roll(6);
    for (unsigned i = 0; i < count; i++) list[i] = any(depth + 1);
    list[count].kind = MON_END;
    return list;
}

static mon_field any(int depth) {
    double odd[] = {0, -0.0, NAN, INFINITY, -INFINITY, 1e308, 5e-324, 0.1, -1e15, 9.1e18};
    switch (roll(depth > 3 ? 9 : 11)) {
    case 0: return mon_str(text(), text());
    case 1: return mon_int(text(), (long long)state);
    case 2: return mon_num(text(), odd[roll(10)]);
    case 3: return mon_bool(text(), (int)roll(3));
    case 4: return mon_null(text());
    case 5: return mon_bytes(text(), garbage, roll(20000));
    case 6: return mon_strn(text(), garbage, roll(20000));
    case 7: return mon_time(text(), (time_t)state);
    case 8: {
        mon_field field = mon_null(text());
        field.kind = 20 + (int)roll(1000);
        return field;
    }
    case 9: return mon_map(text(), fields(depth));
    default: return mon_list(text(), fields(depth));
    }
}

static void fuzz(int calls) {
    char traceparent[56];
    mon_span spans[8] = {0};
    for (int i = 0; i < calls; i++) {
        errno = 4711;
        switch (roll(14)) {
        case 0: case 1: case 2: mon_event(text(), text(), fields(0)); break;
        case 3: mon_metric(text(), any(9).as.number, text(), fields(0)); break;
        case 4: mon_progress_with(text(), roll(200), text(), fields(0)); break;
        case 5: mon_resource_with(fields(0)); break;
        case 6: mon_resource(NAN, 1, INFINITY, -1); break;
        case 7: spans[roll(8)] = mon_span_start_in(text(), spans[roll(8)], text()); break;
        case 8: mon_span_end_with(spans[roll(8)], text(), text(), fields(0)); break;
        case 9: mon_span_fail(spans[roll(8)], text()); break;
        case 10: mon_set_context(any(0)); break;
        case 11: mon_continue_trace(text()); break;
        case 12: mon_traceparent(roll(2) ? traceparent : NULL); break;
        default: free(mon_child_env()); mon_sample(); mon_flush(NAN); mon_flush(-1); break;
        }
        CHECK(errno == 4711);
    }
}

static int handled, seen, editing;
static void on_signal(int number) {
    (void)number;
    handled++;
    mon_event("warn", "from a handler", NULL);
}

static int before(mon_record *record, void *user) {
    CHECK(user == &seen);
    seen++;
    mon_event("info", "out of before_send", NULL); /* dropped, counted, no endless loop */
    if (!editing) return strcmp(record->type, "metric");
    for (mon_field *field = record->fields; field->kind != MON_END; field++)
        if (!strcmp(field->key, "password")) *field = mon_str("password", "***");
        else if (!strcmp(field->key, "noise")) field->kind = MON_OMIT;
    if (!strcmp(record->type, "event")) record->data[1] = mon_str("message", "edited");
    return 1;
}

static void before_send(sidecar *it) {
    mon_options options;
    memset(&options, 0, sizeof options);
    options.source = "test";
    options.port = it->port;
    options.before_send = before;
    options.user = &seen;
    CHECK(mon_init_with(&options) && mon_init_with(&options));
    CHECK(!mon_metric("left out", 1, NULL, NULL) && mon_event("info", "kept", NULL) && mon_stats().encode == 2);
    editing = 1;
    CHECK(mon_event("info", "x", MON_FIELDS(mon_str("password", "secret"), mon_str("noise", "n"), mon_int("a", 1))));
    CHECK(wait_for(it, "\"message\":\"edited\",\"context\":{\"password\":\"***\",\"a\":1}", 1) && mon_close());
    CHECK(seen == 3 && !times_seen(it, "secret") && !times_seen(it, "left out") && adds_up(mon_stats()));
}

int main(void) {
    struct sigaction action, found;
    sigset_t mask, now;
    char folder[4096], folder_after[4096];
    setenv("MONITORING_QUIET", "1", 1);
    for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (char)(1 + roll(255));
    fuzz(1000); /* before init */
    sidecar it = sidecar_start(0);
    CHECK(getcwd(folder, sizeof folder) && !sigprocmask(SIG_SETMASK, NULL, &mask));
    CHECK(start_client(&it));
    fuzz(10000);
    CHECK(adds_up(mon_stats()) && mon_stats().sent > 1000 && mon_flush(20));
    for (int i = 0; i < 500 && (unsigned long long)lines_seen(&it) < mon_stats().sent; i++) sleep_ms(10);
    CHECK((unsigned long long)lines_seen(&it) == mon_stats().sent && times_seen(&it, "\n{\"source\":\"test\"") == lines_seen(&it) - 1);
    mon_close();
    fuzz(1000); /* after close */
    CHECK(!sigaction(SIGPIPE, NULL, &found) && found.sa_handler == SIG_DFL && !sigprocmask(SIG_SETMASK, NULL, &now));
    CHECK(sigismember(&mask, SIGPIPE) == sigismember(&now, SIGPIPE) && getcwd(folder_after, sizeof folder_after) && !strcmp(folder, folder_after));

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGALRM, &action, NULL);
    CHECK(start_client(&it));
    double end_s = mon__clock_s() + 0.5;
    while (mon__clock_s() < end_s) {
        for (int i = 0; i < 20; i++) mon_event("info", "met", NULL);
        raise(SIGALRM);
        alarm(1);
    }
    alarm(0);
    CHECK(handled > 10 && adds_up(mon_stats()) && mon_close());
    before_send(&it);

    /* stderr that nobody reads, or that is closed */
    int ends[2];
    unsetenv("MONITORING_QUIET");
    pid_t child = fork();
    if (!child) {
        CHECK(!pipe(ends));
        dup2(ends[1], 2);
        close(ends[0]);
        mon_init("test", "127.0.0.1", free_port());
        for (int i = 0; i < 20000; i++) mon_event("info", "nowhere", NULL);
        mon_close();
        close(2);
        mon_init("test", "127.0.0.1", free_port());
        mon_event("info", "nowhere", NULL);
        mon_close();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    sidecar_end(&it);
    return 0;
}
