/* The smallest program: cc start.c $(pkg-config --cflags --libs monitoring) */
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>

int main(void) {
    mon_init("first-steps", "127.0.0.1", 17000);
    mon_event("info", "Hello", MON_FIELDS(mon_str("from", "C"), mon_int("year", 1972), mon_bool("works", 1)));
    mon_metric("greetings", 1, "count", NULL);
    return mon_close() ? 0 : 1;
}
