/* Runs db_loader for a job: the service of the use case, in C. */
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

/* Runs a program that continues this trace; its exit status, -1 if it could not be run. */
static int run(char *program, char *argument) {
    char *argv[] = {program, argument, NULL}, **env = mon_child_env();
    pid_t child;
    int status = -1, error = posix_spawn(&child, program, NULL, NULL, argv, env);
    free(env);
    if (error || waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: queue_service JOB DB_LOADER FILE\n");
        return 2;
    }
    mon_init("queue-service", NULL, 0);
    mon_span span = mon_span_start("process_job");
    mon_set_context(mon_str("job_id", argv[1]));
    mon_event("info", "Job dequeued", MON_FIELDS(mon_str("file", argv[3])));
    mon_progress(argv[1], 0, "started");
    int failed = run(argv[2], argv[3]);
    mon_progress(argv[1], 100, failed ? "failed" : "completed");
    mon_span_end(span, failed ? "failed" : "success");
    mon_metric("jobs_processed", 1, "count", NULL);
    mon_close();
    return failed;
}
