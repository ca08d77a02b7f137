/* Sessions: records stay until they are acknowledged, and are sent again after a lost connection. */
#include "sidecar.h"

static sidecar it;

static int start(const char *ack, const char *token) {
    mon_options options;
    memset(&options, 0, sizeof options);
    options.source = "test";
    options.port = it.port;
    options.ack = ack;
    options.token = token;
    return mon_init_with(&options);
}

static void acknowledged(void) {
    it.seen->acks = 1;
    CHECK(start("disk", "secret"));
    for (int i = 0; i < 10; i++) CHECK(mon_event("info", "acked", MON_FIELDS(mon_int("number", i))));
    CHECK(mon_flush(20) && mon_stats().sent == 10 && mon_stats().queued == 0);
    CHECK(times_seen(&it, "\"type\":\"hello\",\"data\":{\"v\":1,\"sdk\":\"c/0.1.0\",\"pid\":") == 1);
    CHECK(times_seen(&it, "\"ack\":\"disk\",\"token\":\"secret\"}}\n{") == 1 && times_seen(&it, ",\"seq\":10}\n") == 1);
    CHECK(mon_close() && wait_for(&it, "\"type\":\"bye\"", 1));
    CHECK(!strncmp(it.seen->text + 1, "\"source\":\"test\",\"timestamp\":", 27) && strstr(it.seen->text, "hello") < strstr(it.seen->text, "acked"));
}

/* It takes records and says nothing; it is killed; the next one hears all of them again, in order, under their numbers. */
static void sent_again(void) {
    it.seen->acks = 2;
    CHECK(start("memory", NULL));
    for (int i = 0; i < 50; i++) CHECK(mon_event("info", "again", MON_FIELDS(mon_int("number", i))));
    CHECK(wait_for(&it, "\"message\":\"again\"", 50) && mon_stats().queued == 50 && !mon_flush(0.05));
    sidecar_kill(&it);
    it.seen->acks = 1;
    it.seen->welcome = 20;
    sidecar_run(&it);
    CHECK(mon_flush(20) && mon_stats().sent == 50 && adds_up(mon_stats()));
    CHECK(wait_for(&it, "\"number\":49}},\"seq\":50}\n", 2));
    it.seen->welcome = 0;
    CHECK(mon_close());
}

/* No more than the window is out: what is beyond it waits, and no call does. */
static void window(void) {
    it.seen->acks = 2;
    CHECK(start("memory", "other"));
    for (int i = 0; i < 1500; i++) CHECK(mon_event("info", "windowed", NULL));
    CHECK(wait_for(&it, "\"message\":\"windowed\"", 1000));
    sleep_ms(100);
    CHECK(mon_event("info", "windowed", NULL) && times_seen(&it, "\"message\":\"windowed\"") == 1000 && mon_stats().queued == 1501);
    it.seen->acks = 1;
    sidecar_kill(&it);
    sidecar_run(&it);
    CHECK(mon_flush(20) && mon_stats().sent == 1501 && mon_close());
}

/* Answers as they come in MessagePack, cut anywhere; and a record that is refused. */
static void answers(void) {
    static const char welcome[] = "\x82\xA4type\xA7welcome\xA4" "data\x83\xA1v\x01\xA8last_seq\x00\xA6window\xCD\x01\xF4";
    static const char nack[] = "\x82\xA4type\xA4nack\xA4" "data\x83\xA3seq\x02\xA4" "code\xA6schema\xA5retry\xC2";
    static const char ack[] = "\x82\xA4type\xA3" "ack\xA4" "data\x81\xA3seq\xCB\x40\x10\x00\x00\x00\x00\x00\x00";
    mon_options options;
    char bytes[400], heard[4096];
    size_t size = 0;
    int listener = listen_on(0);
    memset(&options, 0, sizeof options);
    options.source = "test";
    options.port = port_of(listener);
    options.ack = "disk";
    options.protocol = "msgpack";
    CHECK(mon_init_with(&options));
    for (int i = 0; i < 5; i++) CHECK(mon_event("info", "packed", NULL));
    int fd = accept(listener, NULL, NULL);
    CHECK(recv(fd, heard, sizeof heard, 0) > 0 && (heard[0] & 0xF0) == 0x80);
    memcpy(bytes + size, welcome, sizeof welcome - 1), size += sizeof welcome - 1;
    memcpy(bytes + size, nack, sizeof nack - 1), size += sizeof nack - 1;
    memcpy(bytes + size, ack, sizeof ack - 1), size += sizeof ack - 1;
    for (size_t i = 0; i < size; i++) {
        CHECK(send(fd, bytes + i, 1, MSG_NOSIGNAL) == 1);
        mon_flush(0);
    }
    for (int i = 0; i < 500 && mon_stats().queued > 1; i++) mon_flush(0.01);
    mon_counts counts = mon_stats();
    CHECK(counts.sent == 3 && counts.refused == 1 && counts.queued == 1 && adds_up(counts));
    close(fd);
    close(listener);
    CHECK(!mon_close());
}

/* What a connection had that is refused is counted; what comes then waits for a welcome, where there is a hello to welcome. */
static void refused(void) {
    static const char error[] = "{\"type\":\"error\",\"data\":{\"code\":\"auth\",\"message\":\"no\"}}\n";
    static const char welcome[] = "{\"type\":\"welcome\",\"data\":{\"v\":1,\"max_frame\":1048576}}\n";
    for (int has_token = 0; has_token < 2; has_token++) {
        mon_options options;
        mon_counts counts;
        int listener = listen_on(0);
        memset(&options, 0, sizeof options);
        options.source = "test";
        options.port = port_of(listener);
        options.token = has_token ? "old" : NULL;
        CHECK(mon_init_with(&options) && mon_event("info", "refused", NULL) && mon_stats().sent == 1);
        int fd = accept(listener, NULL, NULL);
        CHECK(send(fd, error, sizeof error - 1, MSG_NOSIGNAL) > 0 && !shutdown(fd, SHUT_WR));
        CHECK(mon_event("info", "next", NULL) && mon_flush(1) == !has_token);
        counts = mon_stats();
        CHECK(counts.refused == 1 && counts.sent == (unsigned)!has_token && adds_up(counts));
        int again = accept(listener, NULL, NULL);
        if (has_token) CHECK(send(again, welcome, sizeof welcome - 1, MSG_NOSIGNAL) > 0 && mon_flush(20) && mon_stats().sent == 1);
        close(again);
        close(fd);
        close(listener);
        mon_close();
    }
}

int main(void) {
    setenv("MONITORING_QUIET", "1", 1);
    it = sidecar_start(0);
    acknowledged();
    sent_again();
    window();
    answers();
    refused();
    sidecar_end(&it);
    return 0;
}
