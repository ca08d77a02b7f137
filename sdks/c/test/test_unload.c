/* A plugin is closed while a thread that has called its SDK goes on, and ends later. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static void (*plugin_log)(void);
static pthread_barrier_t barrier;

static void *run(void *unused) {
    plugin_log();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

int main(int argc, char **argv) {
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (!plugin || !(*(void **)&plugin_log = dlsym(plugin, "plugin_log"))) {
        fprintf(stderr, "no plugin: %s\n", dlerror());
        return 1;
    }
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, run, NULL);
    pthread_barrier_wait(&barrier);
    dlclose(plugin);
    pthread_barrier_wait(&barrier);
    return pthread_join(thread, NULL);
}
