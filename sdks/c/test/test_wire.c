/* The bytes of each kind of record, of every kind of value, and of what is beyond the limits. */
#include "sidecar.h"
#include <locale.h>

static sidecar it;

/* Whether the last record has `text` in it. */
static int sent(const char *text) {
    mon_flush(10);
    mon_event("info", "mark", NULL);
    static int marks;
    CHECK(wait_for(&it, "\"message\":\"mark\"", ++marks));
    const char *last = it.seen->text, *before = last;
    for (const char *at = last; (at = strchr(at, '\n')) && at[1]; at++) before = last, last = at + 1;
    size_t size = (size_t)(last - before);
    for (const char *at = strstr(before, text); at;) return at < before + size;
    fprintf(stderr, "not there: %s\nin: %.*s\n", text, (int)(size > 1500 ? 1500 : size), before);
    return 0;
}

static int value(mon_field field, const char *text) {
    mon_event("info", "v", MON_FIELDS(field));
    return sent(text);
}

static void records(void) {
    mon_event("warn", "File received", MON_FIELDS(mon_str("file", "a.csv"), mon_int("size", 3)));
    CHECK(sent("\"type\":\"event\",\"data\":{\"level\":\"warn\",\"message\":\"File received\",\"context\":{\"file\":\"a.csv\",\"size\":3}}}\n"));
    mon_metric("rows", 12.5, "count", MON_FIELDS(mon_str("table", "t")));
    CHECK(sent("\"type\":\"metric\",\"data\":{\"name\":\"rows\",\"value\":12.5,\"unit\":\"count\",\"tags\":{\"table\":\"t\"}}}\n"));
    mon_progress_with("job-1", 50, "running", MON_FIELDS(mon_int("total", 7)));
    CHECK(sent("\"type\":\"progress\",\"job_id\":\"job-1\",\"data\":{\"job_id\":\"job-1\",\"percent\":50,\"status\":\"running\",\"total\":7}}\n"));
    mon_resource(1.5, 200, NAN, 0);
    CHECK(sent("\"type\":\"resource\",\"data\":{\"cpu\":1.5,\"memory\":200,\"disk\":null,\"network\":0}}\n"));
    mon_sample();
    CHECK(sent("\"per\":\"process\"}}\n"));
    mon_event(NULL, NULL, NULL);
    CHECK(sent("\"data\":{\"level\":\"info\",\"message\":\"\"}}\n"));
    mon_event("info", "m", MON_FIELDS(mon_str("job_id", "other"), mon_int("a", 1), mon_int("a", 2)));
    CHECK(sent("\"job_id\":\"other\",\"data\":{\"level\":\"info\",\"message\":\"m\",\"context\":{\"job_id\":\"other\",\"a\":1}}}"));
    CHECK(sent("{\"source\":\"test\",\"timestamp\":\"20"));
}

static void values(void) {
    CHECK(value(mon_str("k", "tab\t \"quoted\" \\ \x01 \xC3\xA9"), "\"k\":\"tab\\t \\\"quoted\\\" \\\\ \\u0001 \xC3\xA9\"}"));
    CHECK(value(mon_str("k", "\xFF|\xED\xA0\x80|\xC0\x80|\xF5|\xE2\x82"), "\"k\":\"\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD\"}"));
    CHECK(value(mon_strn("k", "a\0b", 3), "\"k\":\"a\\u0000b\"}"));
    CHECK(value(mon_str("k", NULL), "\"k\":null}"));
    CHECK(value(mon_str(NULL, "x"), "\"\":\"x\"}"));
    CHECK(value(mon_bool("k", 2), "\"k\":true}"));
    CHECK(value(mon_bool("k", 0), "\"k\":false}"));
    CHECK(value(mon_int("k", -42), "\"k\":-42}"));
    CHECK(value(mon_int("k", 9007199254740992LL), "\"k\":9007199254740992}"));
    CHECK(value(mon_int("k", 9007199254740993LL), "\"k\":\"9007199254740993\"}"));
    CHECK(value(mon_int("k", -9223372036854775807LL - 1), "\"k\":\"-9223372036854775808\"}"));
    CHECK(value(mon_num("k", 0.1), "\"k\":0.1}"));
    CHECK(value(mon_num("k", 1.0 / 3), "\"k\":0.3333333333333333"));
    CHECK(value(mon_num("k", 1e300), "\"k\":1e+300}"));
    CHECK(value(mon_num("k", -2.5e-7), "\"k\":-2.5e-07}"));
    CHECK(value(mon_num("k", 3), "\"k\":3}"));
    CHECK(value(mon_num("k", 0.5), "\"k\":0.5}"));
    CHECK(value(mon_num("k", -1234.000001), "\"k\":-1234.000001}"));
    CHECK(value(mon_num("k", 0.0001), "\"k\":0.0001}"));
    CHECK(value(mon_num("k", 0.00005), "\"k\":5e-05}"));
    CHECK(value(mon_num("k", 999999999.5), "\"k\":999999999.5}"));
    CHECK(value(mon_num("k", 0.1 + 0.2), "\"k\":0.30000000000000004}"));
    CHECK(value(mon_num("k", 9007199254740994.0), "\"k\":\"9007199254740994\"}"));
    CHECK(value(mon_num("k", NAN), "\"k\":\"NaN\"}"));
    CHECK(value(mon_num("k", INFINITY), "\"k\":\"Infinity\"}"));
    CHECK(value(mon_num("k", -INFINITY), "\"k\":\"-Infinity\"}"));
    CHECK(value(mon_bytes("k", "\x00\xFF\x10", 3), "\"k\":\"base64:AP8Q\"}"));
    CHECK(value(mon_bytes("k", "ab", 2), "\"k\":\"base64:YWI=\"}"));
    CHECK(value(mon_time("k", 1760956245), "\"k\":\"2025-10-20T10:30:45Z\"}"));
    CHECK(value(mon_time("k", 951782400), "\"k\":\"2000-02-29T00:00:00Z\"}"));
    CHECK(value(mon_time("k", -1), "\"k\":\"1969-12-31T23:59:59Z\"}"));
    CHECK(value(mon_map("k", MON_FIELDS(mon_list("l", MON_FIELDS(mon_int(NULL, 1), mon_null(NULL))))), "\"k\":{\"l\":[1,null]}}"));
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8")) CHECK(value(mon_num("k", 2.75), "\"k\":2.75}"));
    setlocale(LC_NUMERIC, "C");
}

static void limits(void) {
    static char text[9001], expected[8300];
    static mon_field many[400], loop[2], level[12][2];
    memset(text, 'x', 9000);
    memcpy(text + 8190, "\xE2\x82\xAC", 3); /* cut at a character: the euro does not fit */
    snprintf(expected, sizeof expected, "\"k\":\"%.8190s\"}", text);
    CHECK(value(mon_str("k", text), expected));
    for (int i = 0; i < 399; i++) many[i] = mon_int(NULL, i);
    CHECK(value(mon_list("k", many), ",254,255]}"));
    static char keys[399][8];
    for (int i = 0; i < 399; i++) snprintf(keys[i], 8, "k%d", i), many[i].key = keys[i];
    CHECK(value(mon_map("k", many), "\"k127\":127}}"));
    loop[0] = mon_map("again", loop);
    CHECK(value(mon_map("k", loop), "\"k\":{\"again\":\"<cyclic>\"}}"));
    mon_event("info", "v", loop);
    CHECK(sent("\"context\":{\"again\":\"<cyclic>\"}}"));
    for (int i = 0; i < 11; i++) level[i][0] = mon_map("d", level[i + 1]);
    mon_event("info", "v", level[0]);
    CHECK(sent("\"context\":{\"d\":{\"d\":{\"d\":{\"d\":{\"d\":{\"d\":{\"d\":{\"d\":\"<depth>\"}}}}}}}}"));
    static mon_field large[12];
    static char names[12][4];
    for (int i = 0; i < 11; i++) snprintf(names[i], 4, "%d", i), large[i] = mon_str(names[i], text);
    mon_event("info", "v", large);
    CHECK(sent("\"message\":\"v\",\"context\":{\"_truncated\":true}}}\n"));
    unsigned long long before = mon_stats().oversize;
    for (int i = 0; i < 11; i++) large[i].key = keys[i];
    CHECK(mon_progress_with("j", 1, "s", large) == 0 && mon_stats().oversize == before + 1);
    before = mon_stats().encode;
    CHECK(!mon_metric("m", NAN, NULL, NULL) && !mon_metric("m", INFINITY, NULL, NULL) && mon_stats().encode == before + 2);
}

/* In MessagePack, byte for byte what another implementation decodes to the same values (sdks/conformance). */
static void msgpack(void) {
    static const char expected[] = "\xA4" "data\x83\xA5" "level\xA4" "info\xA7" "message\xA1m\xA7" "context\x88"
        "\xA1s\xD9\x0B" "hello world\xA1i\xCE\x00\x01\x11\x70\xA1n\xFF\xA1" "f\xCB\x3F\xE0\x00\x00\x00\x00\x00\x00\xA1" "b\xC3"
        "\xA1z\xC0\xA1l\x92\x01\x02\xA1m\x81\xA1k\xB0" "9007199254740993";
    mon_options options;
    memset(&options, 0, sizeof options);
    options.source = "test";
    options.port = it.port;
    options.protocol = "msgpack";
    CHECK(mon_init_with(&options));
    unsigned long from = it.seen->bytes;
    mon_event("info", "m", MON_FIELDS(mon_str("s", "hello world"), mon_int("i", 70000), mon_int("n", -1), mon_num("f", 0.5), mon_bool("b", 1), mon_null("z"),
        mon_list("l", MON_FIELDS(mon_int(NULL, 1), mon_int(NULL, 2))), mon_map("m", MON_FIELDS(mon_int("k", 9007199254740993LL)))));
    CHECK(mon_close());
    for (int i = 0; i < 1000 && it.seen->bytes == from; i++) sleep_ms(10);
    const char *text = it.seen->text + from;
    size_t size = it.seen->bytes - from, tail = sizeof expected - 1;
    CHECK((unsigned char)text[0] == 0x85 && !memcmp(text + 1, "\xA6source\xA4test\xA9timestamp\xD9\x18", 24));
    /* long text has a head for its length: "9007199254740993" is 16 bytes behind D9 10 */
    CHECK(size > tail && !memcmp(text + size - tail - 1, expected, tail - 17) && !memcmp(text + size - 18, "\xD9\x10" "9007199254740993", 18));
}

int main(void) {
    it = sidecar_start(0);
    CHECK(start_client(&it));
    records();
    values();
    limits();
    CHECK(adds_up(mon_stats()));
    msgpack();
    sidecar_end(&it);
    return 0;
}
