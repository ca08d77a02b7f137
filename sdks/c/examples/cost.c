/* What a call costs: mon_event() with a context of three keys, to whoever reads at MONITORING_HOST and _PORT. */
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 100000 };
static long cost_ns[CALLS];

static int by_size(const void *a, const void *b) {
    long left = *(const long *)a, right = *(const long *)b;
    return (left > right) - (left < right);
}

static long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(void) {
    mon_init("cost", NULL, 0);
    for (int i = 0; i < CALLS; i++) {
        long from = now_ns();
        mon_event("info", "Row loaded", MON_FIELDS(mon_str("file", "orders.csv"), mon_int("row", i), mon_num("ms", 1.25)));
        cost_ns[i] = now_ns() - from;
    }
    mon_counts counts = mon_stats();
    qsort(cost_ns, CALLS, sizeof *cost_ns, by_size);
    printf("{\"calls\":%d,\"p50_ns\":%ld,\"p99_ns\":%ld,\"p999_ns\":%ld,\"max_ns\":%ld,\"sent\":%llu,\"full\":%llu}\n", CALLS,
        cost_ns[CALLS / 2], cost_ns[CALLS / 100 * 99], cost_ns[CALLS / 1000 * 999], cost_ns[CALLS - 1], counts.sent, counts.full);
    mon_close();
    return 0;
}
