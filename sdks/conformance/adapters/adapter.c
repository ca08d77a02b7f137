/* Calls the C SDK as it is told: a command a line on stdin, an answer a line on stdout; see ../README.md. */
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>
#include <monitoring_log.h>

#include <ctype.h>
#include <locale.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { FIELDS = 1 << 16, BYTES = 1 << 22 };
static mon_field fields[FIELDS];
static char bytes[BYTES], line[BYTES];
static size_t fields_used, bytes_used;

static mon_field *room_for(size_t count) {
    mon_field *first = fields + fields_used;
    fields_used += count;
    if (fields_used > FIELDS) abort();
    return first;
}

/* Takes a token off the rest of the line, which is NULL after the last one. */
static char *token_of(char **rest) {
    char *token = *rest, *end = strchr(token, ' ');
    if (end) *end++ = 0;
    *rest = end;
    return token;
}

/* Text after its kind: %XX is a byte. With a NUL behind it. */
static char *text_of(const char *token, size_t *size) {
    char *start = bytes + bytes_used, *to = start;
    for (; *token; token++) {
        unsigned byte = (unsigned char)*token;
        if (*token == '%') sscanf(token + 1, "%2x", &byte), token += 2;
        *to++ = (char)byte;
    }
    *to++ = 0;
    *size = (size_t)(to - start) - 1;
    bytes_used += *size + 1;
    return start;
}

static mon_field value(const char *key, char **rest);

static mon_field container(const char *key, char **rest, int is_map) {
    mon_field items[2048];
    size_t count = 0, size;
    while (**rest != '}' && **rest != ']') {
        const char *name = is_map ? text_of(token_of(rest) + 1, &size) : NULL;
        items[count++] = value(name, rest);
    }
    token_of(rest);
    mon_field *kept = room_for(count + 1);
    memcpy(kept, items, count * sizeof *items);
    kept[count] = mon_null(NULL);
    kept[count].kind = MON_END;
    return is_map ? mon_map(key, kept) : mon_list(key, kept);
}

/* A list of a hundred times the same list, four levels deep. */
static mon_field shared(const char *key) {
    mon_field inner = mon_int(NULL, 1);
    for (int level = 0; level < 4; level++) {
        mon_field *items = room_for(101);
        for (int i = 0; i < 100; i++) items[i] = inner;
        items[100] = mon_null(NULL);
        items[100].kind = MON_END;
        inner = mon_list(NULL, items);
    }
    inner.key = key;
    return inner;
}

static mon_field value(const char *key, char **rest) {
    char *token = token_of(rest), *text;
    size_t size;
    switch (*token) {
    case '{': return container(key, rest, 1);
    case '[': return container(key, rest, 0);
    case 't': return mon_bool(key, 1);
    case 'f': return mon_bool(key, 0);
    case 'i': return mon_int(key, strtoll(token + 1, NULL, 10));
    case 'd': return mon_num(key, strtod(token + 1, NULL));
    case 'T': return mon_time(key, (time_t)strtoll(token + 1, NULL, 10));
    case '*': return shared(key);
    case 'u': return mon_str(key, "a\xED\xA0\x80" "b");
    case 's':
        text = text_of(token + 1, &size);
        return mon_strn(key, text, size);
    case 'x':
        text = bytes + bytes_used;
        for (size = 0; token[1 + 2 * size]; size++) {
            unsigned byte = 0;
            sscanf(token + 1 + 2 * size, "%2x", &byte);
            bytes[bytes_used++] = (char)byte;
        }
        return mon_bytes(key, text, size);
    default: return mon_null(key); /* what C has no word for */
    }
}

static const char *string(const mon_field *field) { return field->kind == MON_TEXT ? field->as.text : NULL; }
static long long whole(const mon_field *field) { return field->kind == MON_DOUBLE ? (long long)field->as.number : field->kind == MON_TEXT ? 0 : field->as.integer; }
static double number(const mon_field *field) {
    return field->kind == MON_DOUBLE ? field->as.number : field->kind == MON_TEXT ? strtod(field->as.text, NULL) : field->kind == MON_INT ? (double)field->as.integer : NAN;
}
static const mon_field *members(const mon_field *field) {
    if (field->kind == MON_MAP || field->kind == MON_LIST) return field->as.fields;
    if (field->kind == MON_NULL || field->kind == MON_END) return NULL;
    mon_field *one = room_for(2); /* what is no map goes by the name that the others give it */
    one[0] = *field;
    one[0].key = "value";
    one[1] = mon_null(NULL);
    one[1].kind = MON_END;
    return one;
}
static mon_span span_of(const mon_field *field) { return string(field) ? strtoull(string(field), NULL, 16) : 0; }

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}
static void pause_s(double seconds) {
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&left, NULL);
}

/* An answer: " name=text", the text with all but the plainest characters as %XX. */
static void say(const char *name, const char *text) {
    printf(" %s=", name);
    for (; *text; text++) printf(isalnum((unsigned char)*text) || *text == '.' || *text == '-' ? "%c" : "%%%02X", (unsigned char)*text);
}
static void say_number(const char *name, double count) { printf(" %s=%.17g", name, count); }

static int before_send(mon_record *record, void *user) {
    (void)user;
    for (mon_field *field = record->data; field->kind != MON_END; field++) {
        if (strcmp(field->key, "message")) continue;
        if (field->size == 6 && !memcmp(field->as.text, "secret", 6)) return 0;
        if (field->kind == MON_TEXT && !strcmp(field->as.text, "secret")) return 0;
        mon_event("info", "inner", NULL); /* what it sends itself is dropped */
        *field = mon_str("message", "edited");
    }
    return 1;
}

static void start(const mon_field *options) {
    mon_options chosen;
    memset(&chosen, 0, sizeof chosen);
    for (; options && options->kind != MON_END; options++) {
        const char *key = options->key, *text = string(options);
        if (!strcmp(key, "source")) chosen.source = text;
        if (!strcmp(key, "host")) chosen.host = text;
        if (!strcmp(key, "port")) chosen.port = (int)whole(options);
        if (!strcmp(key, "protocol")) chosen.protocol = text;
        if (!strcmp(key, "level")) chosen.level = text;
        if (!strcmp(key, "buffer_bytes")) chosen.buffer_bytes = (size_t)whole(options);
        if (!strcmp(key, "tags")) chosen.tags = text;
        if (!strcmp(key, "job_id")) chosen.job_id = text;
        if (!strcmp(key, "token")) chosen.token = text;
        if (!strcmp(key, "ack")) chosen.ack = text;
        if (!strcmp(key, "disabled")) chosen.disabled = (int)whole(options);
        if (!strcmp(key, "quiet")) chosen.quiet = (int)whole(options);
        if (!strcmp(key, "debug")) chosen.debug = (int)whole(options);
        if (!strcmp(key, "sample_s")) chosen.sample_s = number(options);
        if (!strcmp(key, "before_send")) chosen.before_send = before_send;
    }
    mon_init_with(&chosen);
    unsigned long long before = mon__s.generation;
    mon_init_with(&chosen);
    say_number("same", mon__s.generation == before);
}

static int by_size(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b; }

static void burst(long long count, const char *level) {
    double *times = malloc((size_t)count * sizeof *times);
    for (long long nth = 0; nth < count; nth++) {
        double begun = now_us();
        mon_event(level ? level : "info", "burst", MON_FIELDS(mon_int("a", 1), mon_str("b", "two"), mon_num("c", 0.5)));
        times[nth] = now_us() - begun;
    }
    qsort(times, (size_t)count, sizeof *times, by_size);
    say_number("p50", times[count / 2]);
    say_number("p999", times[count * 999 / 1000]);
    say_number("max", times[count - 1]);
    free(times);
}

static void produce(int nth, long long count, int spans) {
    char name[16];
    snprintf(name, sizeof name, "c%d", nth);
    for (long long n = 0; n < count; n++) {
        if (spans) mon_span_end(mon_span_start("s"), NULL);
        else mon_event("info", name, MON_FIELDS(mon_int("n", n)));
    }
}

static void forks(int children, long long count, const char *kind) {
    int spans = !strcmp(kind, "span"), idle = !strcmp(kind, "idle");
    pid_t pids[64];
    int failed = 0, status;
    fflush(stdout);
    for (int nth = 0; nth < children; nth++) {
        if ((pids[nth] = fork())) continue;
        if (!idle) produce(nth + 1, count, spans), mon_flush(10);
        exit(0);
    }
    if (!idle) produce(0, count, spans);
    for (int nth = 0; nth < children; nth++) failed += waitpid(pids[nth], &status, 0) < 0 || status;
    say_number("failed", failed);
}

static long long thread_count;
static void *worker(void *nth) {
    produce((int)(intptr_t)nth, thread_count, 0);
    return NULL;
}
static void *sibling(void *name) {
    MON_SPAN(span, name);
    for (int nth = 0; nth < 3; nth++) pause_s(0.01), mon_event("info", name, NULL);
    return NULL;
}
static void threads(int number, void *(*work)(void *), void *const arguments[]) {
    pthread_t running[64];
    for (int nth = 0; nth < number; nth++) pthread_create(&running[nth], NULL, work, arguments ? arguments[nth] : (void *)(intptr_t)nth);
    for (int nth = 0; nth < number; nth++) pthread_join(running[nth], NULL);
}

static void scoped(const char *name, const char *how) {
    MON_SPAN(span, name);
    if (how && !strcmp(how, "throw")) mon_span_fail(span, "it broke");
}

static void run_child(const mon_field *argument) {
    char *argv[64] = {NULL}, **env = mon_child_env();
    int status = -1;
    pid_t child;
    for (int nth = 0; argument[nth].kind != MON_END; nth++) argv[nth] = (char *)string(&argument[nth]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!posix_spawnp(&child, argv[0], &actions, NULL, argv, env)) waitpid(child, &status, 0);
    posix_spawn_file_actions_destroy(&actions);
    free(env);
    say_number("status", status);
}

static void state(void) {
    char text[1 << 16], folder[4096];
    size_t at = 0;
    struct sigaction found;
    for (char **variable = environ; *variable && at < sizeof text - 4096; variable++) at += (size_t)snprintf(text + at, 4096, "%s|", *variable);
    for (int number = 1; number < 32; number++)
        if (!sigaction(number, NULL, &found)) at += (size_t)snprintf(text + at, 64, "%p,", (void *)(uintptr_t)found.sa_handler);
    snprintf(text + at, 4200, "%s %s", getcwd(folder, sizeof folder), setlocale(LC_ALL, NULL));
    say("state", text);
}

static void child_env(void) {
    char **env = mon_child_env();
    for (char **variable = env; *variable; variable++) {
        char *equals = strchr(*variable, '=');
        if (strncmp(*variable, "MONITORING", 10) && strncmp(*variable, "TRACEPARENT", 11)) continue;
        *equals = 0;
        say(*variable, equals + 1);
    }
    free(env);
}

static void stats(void) {
    mon_counts c = mon_stats();
    const struct { const char *name; unsigned long long count; } all[] = {
        {"accepted", c.accepted}, {"sent", c.sent}, {"queued", c.queued}, {"full", c.full}, {"encode", c.encode},
        {"oversize", c.oversize}, {"refused", c.refused}, {"closed", c.closed}, {"forked", c.forked},
        {"queued_bytes", c.queued_bytes}, {"connects", c.connects}, {"unknown_spans", c.unknown_spans},
        {"connected", (unsigned long long)c.connected},
    };
    for (size_t nth = 0; nth < sizeof all / sizeof *all; nth++) say_number(all[nth].name, (double)all[nth].count);
}

static void mutated(mon_field *given) {
    mon_field before[64];
    size_t count = 0;
    const mon_field *each = given->as.fields;
    while (each[count].kind != MON_END) count++;
    memcpy(before, each, count * sizeof *each);
    mon_event("info", "mutated", each);
    mon_set_context(*given);
    say_number("same", !memcmp(before, each, count * sizeof *each));
    memset((void *)each, 0, count * sizeof *each);
    mon_event("info", "after", NULL);
}

static void last_words(const char *message, const char *how) {
    mon_event("info", message, NULL);
    if (!strcmp(how, "kill")) raise(SIGKILL);
    if (!strcmp(how, "exit")) exit(0);
    abort();
}

static void run(const char *name, mon_field *arg) {
    char text[64], *names[] = {"a", "b", "c", "d"};
    if (!strcmp(name, "init")) start(members(arg));
    else if (!strcmp(name, "event")) say_number("kept", mon_event(string(arg), string(arg + 1), members(arg + 2)));
    else if (!strcmp(name, "metric")) say_number("kept", mon_metric(string(arg), number(arg + 1), string(arg + 2), members(arg + 3)));
    else if (!strcmp(name, "progress")) say_number("kept", mon_progress_with(string(arg), number(arg + 1), string(arg + 2), members(arg + 3)));
    else if (!strcmp(name, "resource")) say_number("kept", mon_resource_with(members(arg)));
    else if (!strcmp(name, "set_context")) arg[1].key = string(arg), say_number("kept", mon_set_context(arg[1]));
    else if (!strcmp(name, "start")) {
        snprintf(text, sizeof text, "%016llx", (unsigned long long)mon_span_start_in(string(arg), span_of(arg + 1), string(arg + 2)));
        say("id", text);
    } else if (!strcmp(name, "end")) say_number("kept", mon_span_end_with(span_of(arg), string(arg + 1), string(arg + 2), members(arg + 3)));
    else if (!strcmp(name, "scoped")) scoped(string(arg), string(arg + 1));
    else if (!strcmp(name, "continue_trace")) say_number("kept", mon_continue_trace(string(arg)));
    else if (!strcmp(name, "traceparent")) mon_traceparent(text), say("value", text);
    else if (!strcmp(name, "child_env")) child_env();
    else if (!strcmp(name, "run_child")) run_child(arg);
    else if (!strcmp(name, "flush")) say_number("done", mon_flush(number(arg)));
    else if (!strcmp(name, "close")) say_number("done", mon_close());
    else if (!strcmp(name, "stats")) stats();
    else if (!strcmp(name, "burst")) burst(whole(arg), string(arg + 1));
    else if (!strcmp(name, "die")) last_words(string(arg), string(arg + 1));
    else if (!strcmp(name, "fork")) forks((int)whole(arg), whole(arg + 1), string(arg + 2));
    else if (!strcmp(name, "threads")) thread_count = whole(arg + 1), threads((int)whole(arg), worker, NULL);
    else if (!strcmp(name, "siblings")) threads(4, sibling, (void *const *)names);
    else if (!strcmp(name, "state")) state();
    else if (!strcmp(name, "mutated")) arg->key = "kept", mutated(arg);
    else if (!strcmp(name, "bridge")) MON_LOG_WARN("%s", string(arg));
    else if (!strcmp(name, "sample")) mon_sample();
    else if (!strcmp(name, "seed")) srand((unsigned)whole(arg));
    else if (!strcmp(name, "random")) say_number("value", rand());
    else if (!strcmp(name, "sleep")) pause_s(number(arg));
}

int main(void) {
    mon_options off = {0};
    off.disabled = 1;
    mon_init_with(&off);
    while (fgets(line, sizeof line, stdin)) {
        mon_field given[65];
        size_t count = 0;
        line[strcspn(line, "\n")] = 0;
        fields_used = bytes_used = 0;
        char *rest = line, *name = token_of(&rest);
        while (rest && count < 64) given[count++] = value(NULL, &rest);
        for (size_t nth = count; nth < 65; nth++) given[nth] = mon_null(NULL), given[nth].kind = MON_END;
        double begun = now_us();
        fputs("ok", stdout);
        run(name, given);
        say_number("ms", (now_us() - begun) / 1000);
        puts("");
        fflush(stdout);
    }
    return 0;
}
