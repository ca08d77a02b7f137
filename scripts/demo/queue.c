/* queue-service: says how long its queue is and what it uses, until it is stopped. */
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>
#include <stdlib.h>

int main(void) {
    mon_init("queue-service", NULL, 0);
    for (int depth = 20;; depth += rand() % 9 - 4) {
        if (depth < 0) depth = 0;
        mon_metric("queue_depth", depth, "jobs", NULL);
        mon_resource_with(MON_FIELDS(mon_num("cpu", 5 + rand() % 20), mon_int("memory", 40 + rand() % 10)));
        if (depth > 40) mon_event("warning", "The queue is long", MON_FIELDS(mon_int("depth", depth)));
        struct timespec half = {0, 500000000L};
        nanosleep(&half, NULL);
    }
}
