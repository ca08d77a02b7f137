/* The bridge for logs, with a stand-in for the two things that it takes of rxi/log.c: its event and its version. */
#include "sidecar.h"
#include <stdarg.h>

#define LOG_VERSION "0.1.0"
typedef struct {
    va_list ap;
    const char *fmt, *file;
    struct tm *time;
    void *udata;
    int line, level;
} log_Event;
#include "monitoring_log.h"

static void as_the_library(int level, const char *format, ...) {
    log_Event event;
    memset(&event, 0, sizeof event);
    event.fmt = format;
    event.file = "load.c";
    event.line = 12;
    event.level = level;
    va_start(event.ap, format);
    mon_log_rxi(&event);
    va_end(event.ap);
}

int main(void) {
    sidecar it = sidecar_start(0);
    CHECK(start_client(&it));
    MON_LOG_INFO("%d rows of %s", 3, "orders");
    CHECK(wait_for(&it, "\"level\":\"info\",\"message\":\"3 rows of orders\",\"context\":{\"file\":\"", 1));
    MON_LOG_ERROR("plain");
    CHECK(wait_for(&it, "\"level\":\"error\",\"message\":\"plain\"", 1));
    as_the_library(3, "slow: %d ms", 70);
    CHECK(wait_for(&it, "\"level\":\"warn\",\"message\":\"slow: 70 ms\",\"context\":{\"logger\":\"log.c\",\"file\":\"load.c\",\"line\":12}", 1));
    as_the_library(99, "x");
    CHECK(wait_for(&it, "\"level\":\"fatal\",\"message\":\"x\"", 1) && mon_close());
    sidecar_end(&it);
    return 0;
}
