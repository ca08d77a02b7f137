/**
 * @file monitoring_log.h
 * @brief What a program logs, as events. Stands beside monitoring.h and uses nothing but its public functions.
 *
 * - mon_log() and the macros: `MON_LOG_INFO("%d rows loaded", rows);`
 * - mon_vlog(): for the callback of a logging library of any make.
 * - mon_log_rxi(): for rxi/log.c, if its log.h is included before this: `log_add_callback(mon_log_rxi, NULL, LOG_INFO);`
 */
#ifndef MONITORING_LOG_H
#define MONITORING_LOG_H

#include "monitoring.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/** An event with a message of at most 2 KiB, and `logger`, `file` and `line` where they are given, as its context. */
static inline int mon_vlog(const char *level, const char *logger, const char *file, int line, const char *format, va_list arguments) {
    char message[2048];
    int error = errno;
    mon_field fields[4];
    int count = 0;
    if (!format || vsnprintf(message, sizeof message, format, arguments) < 0) message[0] = 0;
    errno = error;
    if (logger) fields[count++] = mon_str("logger", logger);
    if (file) fields[count++] = mon_str("file", file);
    if (file) fields[count++] = mon_int("line", line);
    fields[count] = mon_null(NULL);
    fields[count].kind = MON_END;
    return mon_event(level, message, fields);
}

#ifdef __GNUC__
__attribute__((format(printf, 5, 6)))
#endif
static inline int mon_log(const char *level, const char *logger, const char *file, int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int kept = mon_vlog(level, logger, file, line, format, arguments);
    va_end(arguments);
    return kept;
}

/** As printf(), with the place in the source. */
#define MON_LOG_DEBUG(...) mon_log("debug", NULL, __FILE__, __LINE__, __VA_ARGS__)
#define MON_LOG_INFO(...) mon_log("info", NULL, __FILE__, __LINE__, __VA_ARGS__)
#define MON_LOG_WARN(...) mon_log("warn", NULL, __FILE__, __LINE__, __VA_ARGS__)
#define MON_LOG_ERROR(...) mon_log("error", NULL, __FILE__, __LINE__, __VA_ARGS__)
#define MON_LOG_FATAL(...) mon_log("fatal", NULL, __FILE__, __LINE__, __VA_ARGS__)

#ifdef LOG_VERSION /* of rxi/log.c */
static inline void mon_log_rxi(log_Event *event) {
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error", "fatal"};
    int level = event->level < 0 ? 0 : event->level > 5 ? 5 : event->level;
    mon_vlog(levels[level], "log.c", event->file, event->line, event->fmt, event->ap);
}
#endif

#endif
