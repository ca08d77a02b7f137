/* Context, traces and spans: what goes with which record, on which thread. */
#include "sidecar.h"

static sidecar it;
static const char TRACE[] = "4bf92f3577b34da6a3ce929d0e0e4736", PARENT[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/* Whether a record with the message has `text` in it, once it has arrived. */
static int has(const char *message, const char *text) {
    char mark[64];
    snprintf(mark, sizeof mark, "\"message\":\"%s\"", message);
    CHECK(wait_for(&it, mark, 1));
    const char *at = strstr(it.seen->text, mark), *found;
    while (at > it.seen->text && at[-1] != '\n') at--;
    found = strstr(at, text);
    return found && found < strchr(at, '\n');
}

static void *sibling(void *span) {
    mon_event("info", "sibling", NULL);
    mon_set_context(mon_str("only", "here"));
    mon_event("info", "own", NULL);
    CHECK(mon_span_end(*(mon_span *)span, "success"));
    char traceparent[56];
    CHECK(!mon_traceparent(traceparent) && !traceparent[0]);
    return NULL;
}

static void context(void) {
    mon_event("info", "before", NULL);
    CHECK(has("before", "\"context\":{\"env\":\"test\",\"zone\":\"a=b\"}}}") && !has("before", "trace_id") && has("before", "\"job_id\":\"env-job\""));
    CHECK(mon_set_context(mon_int("n", 1)) && mon_set_context(mon_map("map", MON_FIELDS(mon_bool("b", 1)))));
    CHECK(mon_set_context(mon_str("job_id", "job-1")) && mon_set_context(mon_null("zone")));
    mon_event("info", "with", MON_FIELDS(mon_str("env", "call")));
    CHECK(has("with", "\"context\":{\"env\":\"call\",\"n\":1,\"map\":{\"b\":true}}") && has("with", "\"job_id\":\"job-1\""));
    CHECK(mon_set_context(mon_null("n")) && mon_set_context(mon_null("map")) && mon_set_context(mon_null("never")));
    CHECK(mon_set_context(mon_str("trace_id", "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736")) && !mon_set_context(mon_str("trace_id", "no")));
    mon_event("info", "traced", NULL);
    CHECK(has("traced", TRACE) && !has("traced", "\"n\":1") && !has("traced", "span_id"));
    CHECK(mon_set_context(mon_null("trace_id")));
    char key[8];
    for (int i = 0; i < 63; i++) snprintf(key, sizeof key, "k%d", i), CHECK(mon_set_context(mon_int(key, i)));
    CHECK(!mon_set_context(mon_int("k63", 1)) && mon_set_context(mon_int("k0", 2)));
    for (int i = 0; i < 63; i++) snprintf(key, sizeof key, "k%d", i), CHECK(mon_set_context(mon_null(key)));
    CHECK(!mon_set_context(mon_str(NULL, "x")));
}

static int in_scope(void) {
    MON_SPAN(scoped, "scoped");
    mon_event("info", "scope", NULL);
    mon_span_fail(scoped, "disk full");
    return 7;
}

static void spans(void) {
    char id[17], traceparent[56], text[100];
    pthread_t thread;
    CHECK(mon_continue_trace(PARENT) && !mon_continue_trace("rubbish"));
    mon_span outer = mon_span_start("outer"), inner = mon_span_start("inner");
    CHECK(outer && inner && outer != inner && mon_traceparent(traceparent));
    snprintf(id, sizeof id, "%016llx", (unsigned long long)inner);
    snprintf(text, sizeof text, "00-%s-%s-01", TRACE, id);
    CHECK(!strcmp(traceparent, text));
    mon_event("info", "inside", NULL);
    snprintf(text, sizeof text, "\"trace_id\":\"%s\",\"span_id\":\"%s\"", TRACE, id);
    CHECK(has("inside", text));
    CHECK(!pthread_create(&thread, NULL, sibling, &inner) && !pthread_join(thread, NULL));
    CHECK(!has("sibling", "trace_id") && !has("sibling", "job-1") && has("own", "\"only\":\"here\""));
    mon_event("info", "outer again", NULL);
    snprintf(id, sizeof id, "%016llx", (unsigned long long)outer);
    CHECK(has("outer again", id) && !has("outer again", "only"));
    CHECK(mon_span_end_with(outer, "failed", "no rows", MON_FIELDS(mon_int("rows", 0))));
    CHECK(wait_for(&it, "\"status\":\"failed\",\"status_message\":\"no rows\",\"attributes\":{\"rows\":0,\"env\":\"test\"}", 1));
    CHECK(wait_for(&it, "\"phase\":\"end\",\"name\":\"outer\",\"parent_span_id\":\"00f067aa0ba902b7\"", 1));
    CHECK(!mon_span_end(outer, NULL) && !mon_span_end(0, NULL) && !mon_span_end(1, NULL) && mon_stats().unknown_spans == 3);
    CHECK(mon_continue_trace(NULL) && in_scope() == 7);
    CHECK(wait_for(&it, "\"name\":\"scoped\",\"start_us\":", 1) && wait_for(&it, "\"status\":\"error\",\"status_message\":\"disk full\"", 1));
    CHECK(has("scope", "trace_id") && !has("scope", TRACE));
    mon_span other = mon_span_start("other"), child = mon_span_start_in("child", other, NULL);
    mon_span remote = mon_span_start_in("remote", 0, PARENT);
    mon_event("info", "remote", NULL);
    CHECK(has("remote", TRACE) && mon_span_end(child, NULL) && mon_span_end(remote, NULL) && mon_span_end(other, NULL));
    snprintf(text, sizeof text, "\"name\":\"child\",\"parent_span_id\":\"%016llx\"", (unsigned long long)other);
    CHECK(wait_for(&it, text, 2));
}

/* The next job's span starts before it is said which job that is. */
static void jobs(void) {
    mon_set_context(mon_str("job_id", "job-2"));
    mon_span_end(mon_span_start("second"), NULL);
    CHECK(wait_for(&it, "\"name\":\"second\",\"start_us\"", 1));
    mon_span third = mon_span_start("third");
    mon_set_context(mon_str("job_id", "job-3"));
    mon_span_end(third, NULL);
    CHECK(wait_for(&it, "\"name\":\"third\",\"start_us\"", 1) && !strstr(strstr(it.seen->text, "\"name\":\"second\",\"start_us\""), "job-2"));
    mon_span_start("left open");
    for (int i = 0; i < 1100; i++) mon_span_start("many");
    CHECK(wait_for(&it, "\"name\":\"left open\",\"start_us\"", 1));
    CHECK(mon_close() && wait_for(&it, "\"status\":\"abandoned\"", 1101) && adds_up(mon_stats()));
}

static char **find_env(char **env, const char *entry) {
    while (*env && strcmp(*env, entry)) env++;
    return *env ? env : NULL;
}

static void child_env(void) {
    char expected[80], traceparent[56];
    CHECK(start_client(&it));
    mon_span span = mon_span_start("parent");
    mon_set_context(mon_str("job_id", "job-9"));
    CHECK(mon_traceparent(traceparent));
    char **env = mon_child_env();
    snprintf(expected, sizeof expected, "TRACEPARENT=%s", traceparent);
    CHECK(find_env(env, expected) && find_env(env, "MONITORING_JOB_ID=job-9") && find_env(env, "MONITORING_TAGS=env=test,zone=a=b"));
    CHECK(!find_env(env, "MONITORING_JOB_ID=env-job") && !strcmp(getenv("MONITORING_JOB_ID"), "env-job"));
    free(env);
    mon_span_end(span, NULL);
    CHECK(mon_close());
}

int main(void) {
    it = sidecar_start(0);
    setenv("MONITORING_TAGS", "env=test,zone=a=b", 1);
    setenv("MONITORING_JOB_ID", "env-job", 1);
    CHECK(!mon_event("info", "early", NULL) && !mon_span_start("early") && mon_stats().accepted == 0);
    CHECK(start_client(&it) && start_client(&it));
    context();
    spans();
    jobs();
    child_env();
    setenv("TRACEPARENT", PARENT, 1);
    CHECK(start_client(&it) && mon_event("info", "environment", NULL));
    CHECK(has("environment", "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"span_id\":\"00f067aa0ba902b7\""));
    setenv("MONITORING_DISABLED", "true", 1);
    CHECK(!start_client(&it) && !mon_event("info", "off", NULL) && mon_flush(1) && mon_close());
    sidecar_end(&it);
    return 0;
}
