/* A library that has the SDK within, as a program's plugin. */
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>

void plugin_log(void);

void plugin_log(void) {
    mon_options options = {0};
    options.source = "plugin";
    options.quiet = 1;
    mon_init_with(&options);
    mon_event("info", "from a plugin", NULL);
}
