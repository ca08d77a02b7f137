/* Loads a file's lines: the script of the use case, in C. Run by queue_service it continues its trace and its job. */
#define MONITORING_IMPLEMENTATION
#include <monitoring.h>
#include <stdio.h>

static long load(const char *path) {
    MON_SPAN(span, "load_data"); /* ends when load() is left, whichever way */
    FILE *file = fopen(path, "r");
    if (!file) {
        mon_span_fail(span, "cannot open the file");
        mon_event("error", "Cannot open the file", MON_FIELDS(mon_str("path", path)));
        return -1;
    }
    long rows = 0;
    for (int c; (c = getc(file)) != EOF;) rows += c == '\n';
    fclose(file);
    mon_metric("rows_loaded", (double)rows, "rows", NULL);
    mon_sample();
    mon_event("info", "Data loaded", MON_FIELDS(mon_str("path", path), mon_int("rows", rows)));
    return rows;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: db_loader FILE\n");
        return 2;
    }
    mon_init("db-loader", NULL, 0); /* address from MONITORING_HOST and _PORT */
    int failed = load(argv[1]) < 0;
    mon_close();
    return failed;
}
