/**
 * @file monitoring.h
 * @brief Telemetry to the monitoring sidecar: events, metrics, progress, resource usage and spans over TCP.
 *
 * C99 and POSIX, no dependency but threads (`-pthread`). In exactly one source file, first of all:
 * @code
 *     #define MONITORING_IMPLEMENTATION
 *     #include <monitoring.h>
 * @endcode
 * and in the others only the `#include`.
 *
 * A call encodes its record and hands it to the kernel before it returns, without waiting: the record arrives even if
 * the program crashes in the next instant. While the sidecar is away, records wait in a backlog of at most 1 MiB, which
 * later calls, mon_flush() and the end of the program send. When it is full, records are dropped and counted; its last
 * fifth is for what is important: events of level warn and above, ends of spans, final progress.
 *
 * Every function may be called from any thread, before mon_init() and after mon_close(), with NULL for any pointer; it
 * keeps errno, and raises no signal. Not from a signal handler: there a call that meets another is dropped and counted.
 * Pointers must be valid where they are not NULL. What they point to is read during the call, and not kept.
 * Functions that send give 1, or 0 if the record was dropped or the client is off.
 */
#ifndef MONITORING_H
#define MONITORING_H

#if defined(MONITORING_IMPLEMENTATION) && defined(__linux__) && !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this SDK. */
#define MON_VERSION "0.1.0"

/** What a mon_field holds. */
enum mon_kind {
    MON_END, /**< ends a list of fields */
    MON_OMIT, /**< is left out */
    MON_NULL, MON_BOOL, MON_INT, MON_DOUBLE, MON_TEXT, MON_BYTES, MON_TIME, MON_MAP, MON_LIST,
    MON_ENCODED /**< in the bytes of the wire already */
};

/** A named value. Made by mon_str() and the like; of two with the same name in one map the first counts. */
typedef struct mon_field {
    const char *key;
    int kind;    /**< of enum mon_kind */
    size_t size; /**< bytes of the text; SIZE_MAX: up to its NUL */
    union {
        const char *text;
        long long integer;
        double number;
        const struct mon_field *fields;
    } as;
} mon_field;

/** Text in UTF-8; what is not becomes U+FFFD, and what is beyond 8 KiB is cut off. NULL is null. */
mon_field mon_str(const char *key, const char *text);
/** Text of `size` bytes, which need not end in NUL and may hold it. */
mon_field mon_strn(const char *key, const char *text, size_t size);
/** A whole number; beyond 2^53 it is sent as text, as not every receiver could tell it from its neighbours. */
mon_field mon_int(const char *key, long long value);
/** A number. NaN and the infinities are sent as "NaN", "Infinity", "-Infinity". */
mon_field mon_num(const char *key, double value);
/** true or false. */
mon_field mon_bool(const char *key, int value);
/** null. */
mon_field mon_null(const char *key);
/** Bytes, sent as text: "base64:…"; what is beyond 6 KiB is cut off. */
mon_field mon_bytes(const char *key, const void *bytes, size_t size);
/** A time, sent as "2025-10-20T10:30:45Z". */
mon_field mon_time(const char *key, time_t value);
/** Fields in a field: `mon_map("file", MON_FIELDS(mon_str("name", name), mon_int("size", size)))`; to 8 levels. */
mon_field mon_map(const char *key, const mon_field *fields);
/** A list; the keys of its fields do not matter. At most 256 are sent, and 128 of a map. */
mon_field mon_list(const char *key, const mon_field *fields);

/** Fields for one call: `MON_FIELDS(mon_str("file", name), mon_int("rows", 10000))`. None: NULL. */
#define MON__LAST {NULL, MON_END, 0, {NULL}}
#ifdef __cplusplus
#define MON_FIELDS(...) (mon__fields_of(__VA_ARGS__).list())
#else
#define MON_FIELDS(...) ((const mon_field[]){__VA_ARGS__, MON__LAST})
#endif

/** A record that is about to be sent. */
typedef struct mon_record {
    const char *type; /**< event, metric, progress, resource, span, sdk */
    mon_field *data;  /**< its members, up to MON_END; change them in place, or set their kind to MON_OMIT */
    mon_field *fields; /**< its context (tags, attributes) merged with that of mon_set_context(), the same way */
} mon_record;

/** What mon_init_with() takes. What is NULL or 0 comes from the environment variable, else it is the default. */
typedef struct mon_options {
    const char *source;   /**< name of the service; MONITORING_SOURCE, OTEL_SERVICE_NAME, else "c" */
    const char *host;     /**< MONITORING_HOST, 127.0.0.1; a name is looked up once, here */
    int port;             /**< MONITORING_PORT, 17000 */
    const char *protocol; /**< "ndjson" or "msgpack"; MONITORING_PROTOCOL, ndjson */
    const char *level;    /**< events below it are left out; MONITORING_LEVEL, else all are sent */
    size_t buffer_bytes;  /**< size of the backlog; MONITORING_BUFFER_BYTES, 1048576 */
    const char *tags;     /**< "a=1,b=2": context of every record; MONITORING_TAGS */
    const char *job_id;   /**< MONITORING_JOB_ID */
    const char *token;    /**< what the sidecar wants to hear from its clients; MONITORING_TOKEN */
    const char *ack;      /**< "memory" or "disk": keep records until they are acknowledged; MONITORING_ACK */
    int disabled;         /**< no socket, every call returns at once; MONITORING_DISABLED, OTEL_SDK_DISABLED */
    int quiet;            /**< say nothing on stderr; MONITORING_QUIET */
    int debug;            /**< tell on stderr of each connection; MONITORING_DEBUG */
    double sample_s;      /**< send mon_sample() from within other calls, every so many seconds */
    /** Sees each record before it is sent; 0 leaves it out. Must not block; what it sends itself is dropped. */
    int (*before_send)(mon_record *record, void *user);
    void *user;           /**< for before_send */
} mon_options;

/**
 * Starts the client; TRACEPARENT (W3C Trace Context) is continued. The same arguments again change nothing; others close
 * it and begin anew. 0 if it is disabled or there is no memory; that there is no sidecar is no error.
 */
int mon_init(const char *source, const char *host, int port);
int mon_init_with(const mon_options *options);

/** Level: trace, debug, info, warn, error, fatal; the usual other names are understood. */
int mon_event(const char *level, const char *message, const mon_field *context);
/** A value that is not finite is dropped, and counted. */
int mon_metric(const char *name, double value, const char *unit, const mon_field *tags);
int mon_progress(const char *job_id, double percent, const char *status);
/** Further members: `message`, `current`, `total`. */
int mon_progress_with(const char *job_id, double percent, const char *status, const mon_field *more);
/** Percent; megabytes. What is NaN was not measured: null. */
int mon_resource(double cpu, double memory, double disk, double network);
int mon_resource_with(const mon_field *members);
/** The processor time, memory and block transfers of this process since it was last asked. */
int mon_sample(void);

/** The id of a span; 0: of none. */
typedef uint64_t mon_span;

/** Opens a span: a child of the one opened last on this thread, else of the trace that is continued. */
mon_span mon_span_start(const char *name);
/** A child of an open span, of any thread, or of one in another process by its traceparent; 0 and NULL: of none. */
mon_span mon_span_start_in(const char *name, mon_span parent, const char *traceparent);
/** Notes that the span failed, and why; it stays open. */
void mon_span_fail(mon_span span, const char *message);
/** Status NULL: "error" after mon_span_fail(), else "success". Of a span that is not open it is counted, no more. */
int mon_span_end(mon_span span, const char *status);
int mon_span_end_with(mon_span span, const char *status, const char *message, const mon_field *attributes);

/** A variable with a span that ends where its scope is left, whichever way: `MON_SPAN(load, "load_data");`. */
#define MON_SPAN(variable, name) __attribute__((cleanup(mon__span_leave))) mon_span variable = mon_span_start(name)
void mon__span_leave(mon_span *span);

/**
 * Goes with every record of this thread from now on; of kind MON_NULL it is taken out. At most 64 keys. Two are special:
 * job_id, and trace_id (32 hex digits) for what is outside of spans.
 */
int mon_set_context(mon_field field);
/** Takes up a trace on this thread, for what is outside of spans; NULL leaves it. 0 if it is none. */
int mon_continue_trace(const char *traceparent);
/** What another process or thread needs to continue; writes 56 bytes. 0, and an empty string, if there is no span. */
int mon_traceparent(char out[56]);
/**
 * A copy of the environment with TRACEPARENT, MONITORING_JOB_ID, MONITORING_HOST and MONITORING_PORT, for execve() or
 * posix_spawn(); free() it, as it is one block. NULL without memory.
 */
char **mon_child_env(void);

/** 1 when the kernel has everything (with `ack`: the sidecar has acknowledged it), 0 when the time is over. */
int mon_flush(double timeout_s);
/** Ends open spans as abandoned, flushes for a second at most, 0.2 s without a sidecar, and closes. As mon_flush(). */
int mon_close(void);

/** accepted = sent + queued + the six kinds of dropped. */
typedef struct mon_counts {
    unsigned long long accepted, sent, queued;
    unsigned long long full, encode, oversize, refused, closed, forked; /**< dropped */
    unsigned long long queued_bytes, connects, unknown_spans;
    int connected;
} mon_counts;

mon_counts mon_stats(void);

#ifdef __cplusplus
}
template <int N> struct mon__array {
    mon_field fields[N + 1];
    const mon_field *list() const { return fields; }
};
template <class... Field> mon__array<sizeof...(Field)> mon__fields_of(Field... field) {
    return {{field..., MON__LAST}};
}
#endif
#endif /* MONITORING_H */

#ifdef MONITORING_IMPLEMENTATION
#undef MONITORING_IMPLEMENTATION

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL /* macOS: SO_NOSIGPIPE does it */
#define MSG_NOSIGNAL 0
#endif
#ifdef __cplusplus
#define MON__THREAD thread_local
extern "C" {
#elif __STDC_VERSION__ >= 201112L
#define MON__THREAD _Thread_local
#else
#define MON__THREAD __thread
#endif
extern char **environ;

enum {
    MON__TEXT_BYTES = 8192, MON__RECORD_BYTES = 65536, MON__DEPTH = 10, /* the envelope and data are two of them */
    MON__KEYS = 128, MON__ITEMS = 256, MON__CONTEXT_KEYS = 64, MON__SPANS = 1024,
    MON__FRAMES = 64, MON__DRAIN_BYTES = 1 << 18, /* a send; a call */
    MON__READS = 16 /* at a time */
};
enum { MON__FULL, MON__ENCODE, MON__OVERSIZE, MON__REFUSED, MON__CLOSED, MON__FORKED, MON__REASONS };
static const uint32_t MON__NACKED = 1u << 31; /* in a frame's length */

typedef struct mon__config {
    char source[129], host[256], port[8], tags[1024], job[256], token[512], ack[8];
    int level, disabled, quiet, debug, msgpack;
    size_t limit;
    double sample_s;
    int (*before_send)(mon_record *, void *);
    void *user;
} mon__config;

typedef struct mon__trace {
    char trace[33];
    mon_span span;
} mon__trace;

typedef struct mon__open_span {
    struct mon__open_span *next;
    mon__trace ids;
    mon_span parent;
    unsigned long long owner;
    long long start_us;
    double start_s;
    char failed, failure[256], name[1];
} mon__open_span;

/* What belongs to one thread. Of another generation than the client, it is of one that was closed. */
typedef struct mon__thread {
    unsigned long long number, generation;
    int count, continued, job_over;
    char job[256], trace[33];
    mon__trace remote;
    mon_field kept[MON__CONTEXT_KEYS];
} mon__thread;

/* Frames lie in the backlog as length and bytes, [head, next) sent and not acknowledged, [next, tail) to be sent. */
static struct mon__state {
    mon__config config;
    int active, closed, fd, up, step, losing, loss_due, refused, welcome; /* refused: and not welcomed since */
    pid_t pid;
    unsigned long long generation, threads, seq, reentered, unsure; /* sent on this connection before a welcome */
    mon_counts counts;
    unsigned long long dropped[MON__REASONS], dropped_before[MON__REASONS];
    struct sockaddr_storage peer;
    socklen_t peer_size;
    double tried_s, next_s, sampled_s, sampled_cpu_s, sampled_blocks;
    char *backlog;
    size_t room, head, next, tail, part, out, window, window_bytes;
    char control[2048], heard[1024], frame[MON__RECORD_BYTES + 64], session[33], word[16], answer[16];
    size_t control_size, control_sent, heard_size, pool_size;
    unsigned char pool[512];
    mon__trace inherited;
    mon__open_span *spans;
    mon_field merged[MON__KEYS + MON__CONTEXT_KEYS + 1];
    const mon_field *given;
} mon__s;

static pthread_mutex_t mon__lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t mon__once = PTHREAD_ONCE_INIT;
static pthread_key_t mon__key;
static MON__THREAD mon__thread *mon__self;
static MON__THREAD int mon__busy;

/* ---- encoding: one tree of fields, in JSON or MessagePack ------------------------------------------------------- */

typedef struct mon__out {
    char *at, *end;
    int msgpack, over;
} mon__out;

static mon_field mon__field(const char *key, int kind, size_t size) {
    mon_field field;
    memset(&field, 0, sizeof field);
    field.key = key;
    field.kind = kind;
    field.size = size;
    return field;
}

mon_field mon_strn(const char *key, const char *text, size_t size) {
    mon_field field = mon__field(key, text ? MON_TEXT : MON_NULL, size);
    field.as.text = text;
    return field;
}
mon_field mon_str(const char *key, const char *text) { return mon_strn(key, text, SIZE_MAX); }
mon_field mon_null(const char *key) { return mon__field(key, MON_NULL, 0); }
mon_field mon_bytes(const char *key, const void *bytes, size_t size) {
    mon_field field = mon_strn(key, (const char *)bytes, size);
    if (bytes) field.kind = MON_BYTES;
    return field;
}
static mon_field mon__integer_field(const char *key, int kind, long long value) {
    mon_field field = mon__field(key, kind, 0);
    field.as.integer = value;
    return field;
}
mon_field mon_int(const char *key, long long value) { return mon__integer_field(key, MON_INT, value); }
mon_field mon_bool(const char *key, int value) { return mon__integer_field(key, MON_BOOL, value); }
mon_field mon_time(const char *key, time_t value) { return mon__integer_field(key, MON_TIME, (long long)value); }
mon_field mon_num(const char *key, double value) {
    mon_field field = mon__field(key, MON_DOUBLE, 0);
    field.as.number = value;
    return field;
}
static mon_field mon__fields_field(const char *key, int kind, const mon_field *fields) {
    mon_field field = mon__field(key, fields ? kind : MON_NULL, 0);
    field.as.fields = fields;
    return field;
}
mon_field mon_map(const char *key, const mon_field *fields) { return mon__fields_field(key, MON_MAP, fields); }
mon_field mon_list(const char *key, const mon_field *fields) { return mon__fields_field(key, MON_LIST, fields); }
static mon_field mon__if(int present, mon_field field) {
    if (!present) field.kind = MON_OMIT;
    return field;
}

static void mon__put(mon__out *o, const void *bytes, size_t size) {
    if ((size_t)(o->end - o->at) < size) o->over = 1;
    if (o->over) return;
    memcpy(o->at, bytes, size);
    o->at += size;
}
static void mon__byte(mon__out *o, int byte) {
    char c = (char)byte;
    mon__put(o, &c, 1);
}
/* A MessagePack head: its type byte and `bytes` bytes of a number. */
static void mon__head(mon__out *o, int type, unsigned long long value, int bytes) {
    mon__byte(o, type);
    while (bytes-- > 0) mon__byte(o, (int)(value >> (8 * bytes) & 255));
}

/* The bytes of the UTF-8 sequence at `s`; 0 if it is none. */
static size_t mon__utf8(const unsigned char *s, size_t left) {
    size_t need = s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    if (!need || need > left) return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    int overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    int outside = (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
    return overlong || outside ? 0 : need;
}

static void mon__escape(mon__out *o, unsigned char c) {
    static const char names[] = "\"\"\\\\\nn\rr\tt", hex[] = "0123456789abcdef";
    for (const char *name = names; *name; name += 2)
        if ((unsigned char)*name == c) {
            mon__byte(o, '\\');
            mon__byte(o, name[1]);
            return;
        }
    char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    mon__put(o, escape, 6);
}

static void mon__text(mon__out *o, const char *text, size_t size) {
    const unsigned char *s = (const unsigned char *)text, *end;
    size_t length = size == SIZE_MAX ? strnlen(text, MON__TEXT_BYTES + 1) : size;
    if (length > MON__TEXT_BYTES) {
        length = MON__TEXT_BYTES;
        for (int back = 0; back < 3 && (s[length] & 0xC0) == 0x80; back++) length--;
    }
    /* MessagePack wants the length first: a head that has room for all bytes threefold, as U+FFFD. */
    int head = length <= 10 ? 0 : length <= 85 ? 1 : 2;
    if (o->msgpack) mon__head(o, head == 0 ? 0xA0 : head == 1 ? 0xD9 : 0xDA, 0, head);
    else mon__byte(o, '"');
    char *start = o->at;
    for (end = s + length; s < end && !o->over;) {
        const unsigned char *plain = s;
        while (s < end && *s < 0x80 && (o->msgpack || (*s >= 0x20 && *s != '"' && *s != '\\'))) s++;
        if (s > plain) mon__put(o, plain, (size_t)(s - plain));
        if (s == end) break;
        size_t whole = *s < 0x80 ? 0 : mon__utf8(s, (size_t)(end - s));
        if (*s < 0x80) mon__escape(o, *s++);
        else if (whole) mon__put(o, s, whole), s += whole;
        else {
            mon__put(o, "\xEF\xBF\xBD", 3);
            int lead = *s++ >= 0xC0;
            while (lead && s < end && (*s & 0xC0) == 0x80) s++;
        }
    }
    if (!o->msgpack) mon__byte(o, '"');
    if (!o->msgpack || o->over) return;
    size_t written = (size_t)(o->at - start);
    if (head == 0) start[-1] = (char)(0xA0 | written);
    if (head >= 1) start[-1] = (char)(written & 255);
    if (head == 2) start[-2] = (char)(written >> 8);
}

static char *mon__digits(char *out, unsigned long long value, int width) {
    for (int i = width; i-- > 0; value /= 10) out[i] = (char)('0' + value % 10);
    return out + width;
}

static void mon__integer(mon__out *o, long long value) {
    unsigned long long size = value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value;
    char text[24];
    int width = 1;
    for (unsigned long long left = size; left >= 10; left /= 10) width++;
    text[0] = '-';
    mon__digits(text + 1, size, width);
    const char *from = value < 0 ? text : text + 1;
    size_t length = (size_t)(text + 1 + width - from);
    if (size > 1ull << 53) mon__text(o, from, length);
    else if (!o->msgpack) mon__put(o, from, length);
    else if (value >= -32 && value < 128) mon__byte(o, (int)value);
    else mon__head(o, value < 0 ? 0xD3 : size >> 32 ? 0xCF : 0xCE, (unsigned long long)value, value >= 0 && !(size >> 32) ? 4 : 8);
}

/* A number of few decimals, as "%.15g" would write it; 0 if it has more. The division rounds as strtod() does. */
static size_t mon__decimal(char out[24], double value) {
    double size = fabs(value), scale = 10;
    if (!(size >= 1e-4 && size < 1e9)) return 0;
    for (int decimals = 1; decimals <= 6; decimals++, scale *= 10) {
        unsigned long long digits = (unsigned long long)(size * scale + 0.5), whole = digits / (unsigned long long)scale;
        char *to = out;
        int width = 1;
        if ((double)digits / scale != size) continue;
        for (unsigned long long left = whole; left >= 10; left /= 10) width++;
        if (value < 0) *to++ = '-';
        to = mon__digits(to, whole, width);
        *to++ = '.';
        return (size_t)(mon__digits(to, digits % (unsigned long long)scale, decimals) - out);
    }
    return 0;
}

/* In as many digits as it takes to read the same number again, whatever the locale's decimal point is. */
static void mon__double(mon__out *o, double value) {
    if (value != value || value - value != 0) {
        mon__text(o, value != value ? "NaN" : value > 0 ? "Infinity" : "-Infinity", SIZE_MAX);
        return;
    }
    if (fabs(value) < 1e15 && value == (double)(long long)value) {
        mon__integer(o, (long long)value);
        return;
    }
    char text[40], *to = text;
    size_t size = o->msgpack ? 0 : mon__decimal(text, value);
    if (size) {
        mon__put(o, text, size);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    int whole = 1;
    for (const char *from = text; *from; from++) {
        int known = strchr("0123456789+-e", *from) != NULL;
        if (known) *to++ = *from;
        else if (whole != 2) *to++ = '.', whole = 2;
        if (*from == 'e' && whole == 1) whole = 0;
    }
    *to = 0;
    if (whole == 1 && fabs(value) > 9007199254740992.0) mon__text(o, text, SIZE_MAX);
    else if (!o->msgpack) mon__put(o, text, (size_t)(to - text));
    else {
        uint64_t bits;
        memcpy(&bits, &value, 8);
        mon__head(o, 0xCB, bits, 8);
    }
}

static void mon__base64(mon__out *o, const unsigned char *bytes, size_t size) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char text[MON__TEXT_BYTES]; /* the lock is held */
    size_t length = 7;
    if (size > (MON__TEXT_BYTES - 8) / 4 * 3) size = (MON__TEXT_BYTES - 8) / 4 * 3;
    memcpy(text, "base64:", length);
    for (size_t i = 0; i < size; i += 3) {
        unsigned b0 = bytes[i], b1 = i + 1 < size ? bytes[i + 1] : 0u, b2 = i + 2 < size ? bytes[i + 2] : 0u;
        text[length++] = digit[b0 >> 2];
        text[length++] = digit[(b0 & 3) << 4 | b1 >> 4];
        text[length++] = i + 1 < size ? digit[(b1 & 15) << 2 | b2 >> 6] : '=';
        text[length++] = i + 2 < size ? digit[b2 & 63] : '=';
    }
    mon__text(o, text, length);
}

/* "2025-10-20T10:30:45" to `out`; gives its end. No call of the system's: those read the environment, and lock. */
static char *mon__iso(char *out, long long seconds) {
    if (seconds < -62167219200LL || seconds > 253402300799LL) seconds = 0; /* the years 0 to 9999 */
    long long days = seconds / 86400 - (seconds % 86400 < 0), rest = seconds - days * 86400;
    /* Howard Hinnant's civil_from_days: years begin in March, eras of 400 years. */
    long long z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    long long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    long long mp = (5 * doy + 2) / 153, month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);
    const long long part[6] = {year, month, doy - (153 * mp + 2) / 5 + 1, rest / 3600, rest / 60 % 60, rest % 60};
    for (int i = 0; i < 6; i++) {
        out = mon__digits(out, (unsigned long long)part[i], i ? 2 : 4);
        *out++ = "--T:: "[i];
    }
    return out - 1;
}

/* Whether field `i` is left out of a map: omitted, or the second of its name. */
static int mon__left_out(const mon_field *fields, int i, int is_map) {
    if (fields[i].kind == MON_OMIT) return 1;
    const char *key = fields[i].key ? fields[i].key : "";
    for (int j = 0; is_map && j < i; j++)
        if (fields[j].kind != MON_OMIT && !strcmp(fields[j].key ? fields[j].key : "", key)) return 1;
    return 0;
}

static void mon__value(mon__out *o, const mon_field *field, const mon_field **outer, int depth);

static void mon__fields(mon__out *o, const mon_field *fields, int is_map, const mon_field **outer, int depth) {
    int limit = is_map ? MON__KEYS : MON__ITEMS, unique = is_map && depth > 1, count = 0, cyclic = 0;
    for (int i = 0; i < depth; i++) cyclic |= outer[i] == fields;
    if (cyclic || (depth > 2 && fields == mon__s.given) || depth >= MON__DEPTH) {
        mon__text(o, depth >= MON__DEPTH && !cyclic ? "<depth>" : "<cyclic>", SIZE_MAX);
        return;
    }
    outer[depth] = fields;
    for (int i = 0; o->msgpack && fields[i].kind != MON_END && count < limit; i++)
        count += !mon__left_out(fields, i, unique);
    if (!o->msgpack) mon__byte(o, is_map ? '{' : '[');
    else if (count < 16) mon__byte(o, (is_map ? 0x80 : 0x90) + count);
    else mon__head(o, is_map ? 0xDE : 0xDC, (unsigned)count, 2);
    int written = 0;
    for (int i = 0; fields[i].kind != MON_END && written < limit && !o->over; i++) {
        if (mon__left_out(fields, i, unique)) continue;
        if (written++ && !o->msgpack) mon__byte(o, ',');
        if (is_map) mon__text(o, fields[i].key ? fields[i].key : "", SIZE_MAX);
        if (is_map && !o->msgpack) mon__byte(o, ':');
        mon__value(o, &fields[i], outer, depth + 1);
    }
    if (!o->msgpack) mon__byte(o, is_map ? '}' : ']');
}

static void mon__value(mon__out *o, const mon_field *field, const mon_field **outer, int depth) {
    char time[24];
    switch (field->kind) {
    case MON_BOOL:
        if (o->msgpack) mon__byte(o, field->as.integer ? 0xC3 : 0xC2);
        else mon__put(o, field->as.integer ? "true" : "false", field->as.integer ? 4 : 5);
        return;
    case MON_INT: mon__integer(o, field->as.integer); return;
    case MON_DOUBLE: mon__double(o, field->as.number); return;
    case MON_TEXT: mon__text(o, field->as.text, field->size); return;
    case MON_BYTES: mon__base64(o, (const unsigned char *)field->as.text, field->size); return;
    case MON_ENCODED: mon__put(o, field->as.text, field->size); return;
    case MON_MAP:
    case MON_LIST: mon__fields(o, field->as.fields, field->kind == MON_MAP, outer, depth); return;
    case MON_TIME:
        *mon__iso(time, field->as.integer) = 'Z';
        mon__text(o, time, 20);
        return;
    default: mon__put(o, o->msgpack ? "\xC0" : "null", o->msgpack ? 1 : 4);
    }
}

/* ---- the link: one connection, and the backlog in front of it; the lock is held throughout ---------------------- */

static double mon__clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Writes to stderr if that takes it at once, and nothing ends the program. */
static void mon__notice(const char *format, const char *text, unsigned long long number) {
    char line[1024];
    struct pollfd ready = {2, POLLOUT, 0};
    sigset_t pipe, before, pending;
    int length = snprintf(line, sizeof line - 1, "monitoring[%s]: ", mon__s.config.source), signal;
    snprintf(line + length, sizeof line - 1 - (size_t)length, format, text, number);
    if (mon__s.config.quiet || poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT) return;
    strcat(line, "\n");
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    int failed = write(2, line, strlen(line)) < 0;
    sigpending(&pending);
    if (failed && !sigismember(&before, SIGPIPE) && sigismember(&pending, SIGPIPE)) sigwait(&pipe, &signal);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* 64 bits of the system's random source; where there is none (chroot), of what differs. Never 0. */
static uint64_t mon__random(void) {
    uint64_t value = 0;
    if (mon__s.pool_size < 8) {
        int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, mon__s.pool, sizeof mon__s.pool);
        if (fd >= 0) close(fd);
        mon__s.pool_size = got >= 8 ? (size_t)got : 0;
    }
    if (mon__s.pool_size >= 8) memcpy(&value, mon__s.pool + (mon__s.pool_size -= 8), 8);
    else {
        static uint64_t state; /* splitmix64 */
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        value = (state += 0x9E3779B97F4A7C15u + ((uint64_t)now.tv_nsec << 20) + (uint64_t)getpid());
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
        value ^= value >> 27;
    }
    return value ? value : 1;
}

static char *mon__hex(char *out, uint64_t value) {
    for (int i = 0; i < 16; i++) out[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    out[16] = 0;
    return out + 16;
}

static int mon__drop(int reason) {
    if (reason == MON__FULL && !mon__s.losing) {
        memcpy(mon__s.dropped_before, mon__s.dropped, sizeof mon__s.dropped);
        mon__s.losing = 1;
        mon__notice("no sidecar at %s takes records and the buffer is full: dropping", mon__s.config.host, 0);
    }
    mon__s.counts.accepted++;
    mon__s.dropped[reason]++;
    return 0;
}

static size_t mon__frame_size(size_t at) {
    uint32_t size;
    memcpy(&size, mon__s.backlog + at, 4);
    return size & ~MON__NACKED;
}

/* Takes the first frame out of the backlog. */
static void mon__shift(void) {
    uint32_t size;
    memcpy(&size, mon__s.backlog + mon__s.head, 4);
    mon__s.head += 4 + (size & ~MON__NACKED);
    mon__s.counts.queued--;
    if (size & MON__NACKED) mon__s.dropped[MON__REFUSED]++;
    else mon__s.counts.sent++;
    if (mon__s.next < mon__s.head) mon__s.next = mon__s.head;
    else if (mon__s.out) mon__s.out--;
    if (mon__s.head == mon__s.tail) mon__s.head = mon__s.next = mon__s.tail = 0;
}

/* Records up to `seq` are taken. One of which a part is on its way stays: that frame has to be finished. */
static void mon__acked(unsigned long long seq) {
    unsigned long long first = mon__s.seq - mon__s.counts.queued + 1;
    uint32_t size;
    while (mon__s.counts.queued && !(mon__s.part && mon__s.head == mon__s.next)) {
        memcpy(&size, mon__s.backlog + mon__s.head, 4);
        if (first++ > seq && !(size & MON__NACKED)) return;
        mon__shift();
    }
}

static void mon__nacked(unsigned long long seq) {
    unsigned long long first = mon__s.seq - mon__s.counts.queued + 1;
    size_t at = mon__s.head;
    if (seq < first || seq > mon__s.seq) return;
    for (; first < seq; first++) at += 4 + mon__frame_size(at);
    uint32_t size = (uint32_t)mon__frame_size(at) | MON__NACKED;
    memcpy(mon__s.backlog + at, &size, 4);
    mon__acked(0);
}

/* Told once. What was sent is not taken; what comes waits for a welcome. */
static void mon__refuse(const char *code) {
    if (!mon__s.refused) mon__notice("the sidecar refuses this client: %s", code, 0);
    mon__s.refused = 1;
    mon__s.counts.sent -= mon__s.unsure;
    mon__s.dropped[MON__REFUSED] += mon__s.unsure;
    mon__s.unsure = 0;
}

/* Whoever has no hello to say cannot be welcomed, only let in. */
static int mon__must_wait(void) { return mon__s.refused && (mon__s.config.ack[0] || mon__s.config.token[0]); }

/* What the sidecar says is taken in as words and numbers: "type" precedes "data", each number follows its name. */
static void mon__heard_word(const char *text, size_t size) {
    int is_type = !strcmp(mon__s.word, "type"), is_code = !strcmp(mon__s.word, "code");
    char *to = is_type ? mon__s.answer : mon__s.word;
    if (size > 15) size = 15;
    mon__s.word[0] = 0;
    memcpy(to, text, size);
    to[size] = 0;
    if (is_code && !strcmp(mon__s.answer, "error")) mon__refuse(mon__s.word);
    if (!is_type || strcmp(mon__s.answer, "welcome")) return;
    mon__s.welcome = 1;
    mon__s.refused = 0;
}

static void mon__heard_number(unsigned long long number) {
    const char *word = mon__s.word, *answer = mon__s.answer;
    if (!mon__s.config.ack[0]) return;
    if (!strcmp(word, "window")) mon__s.window = (size_t)number;
    else if (!strcmp(word, "window_bytes")) mon__s.window_bytes = (size_t)number;
    else if (!strcmp(answer, "nack") && !strcmp(word, "seq")) mon__nacked(number);
    else if (!strcmp(word, "seq") || !strcmp(word, "last_seq")) mon__acked(number);
}

/* Takes the token at `s`; gives its size, 0 if it is not whole. */
static size_t mon__json_token(const char *s, const char *end) {
    const char *at = s + 1;
    unsigned long long number = 0;
    if (*s >= '0' && *s <= '9') {
        for (at = s; at < end && *at >= '0' && *at <= '9'; at++) number = number * 10 + (unsigned)(*at - '0');
        if (at == end) return 0;
        mon__heard_number(number);
    } else if (*s == '"') {
        while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
        if (at >= end) return 0;
        mon__heard_word(s + 1, (size_t)(at++ - s - 1));
    }
    return (size_t)(at - s);
}

static size_t mon__msgpack_token(const char *text, const char *text_end) {
    const unsigned char *s = (const unsigned char *)text;
    size_t left = (size_t)(text_end - text), size = 1, length = 0;
    unsigned type = s[0];
    if (type >= 0xCC && type <= 0xD3) size += (size_t)1 << (type & 3);
    else if (type >= 0xD9 && type <= 0xDB) size += (size_t)1 << (type - 0xD9);
    else if (type == 0xCA || type == 0xCB) size += type == 0xCA ? 4 : 8;
    else if (type >= 0xDC && type <= 0xDF) size += type & 1 ? 4 : 2;
    if (left < size) return 0;
    unsigned long long number = type < 0x80 ? type : 0;
    for (size_t i = 1; i < size; i++) number = number << 8 | s[i];
    if (type == 0xCB) {
        double real;
        memcpy(&real, &number, 8);
        number = real > 0 && real < 1e18 ? (unsigned long long)real : 0;
    }
    if (type < 0x80 || type == 0xCB || (type >= 0xCC && type <= 0xCF)) mon__heard_number(number);
    if (type >= 0xD9 && type <= 0xDB) length = (size_t)number;
    else if (type >= 0xA0 && type <= 0xBF) length = type & 31;
    else return size;
    if (left - size < length) return 0;
    mon__heard_word(text + size, length);
    return size + length;
}

static int mon__is_later(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

/* Reads what there is; 0 if the connection is at its end. Who talks without end is no sidecar, and does not keep the host. */
static int mon__hear(void) {
    for (int reads = 0; reads < MON__READS; reads++) {
        size_t used = 0, size = 1;
        if (mon__s.heard_size == sizeof mon__s.heard) return 0; /* no answer is that long */
        ssize_t got = recv(mon__s.fd, mon__s.heard + mon__s.heard_size, sizeof mon__s.heard - mon__s.heard_size, MSG_DONTWAIT);
        if (got == 0) return 0;
        if (got < 0) return mon__is_later(errno) && (mon__s.up || mon__clock_s() < mon__s.tried_s + 5);
        mon__s.heard_size += (size_t)got;
        for (const char *end = mon__s.heard + mon__s.heard_size; size && used < mon__s.heard_size; used += size)
            size = (mon__s.config.msgpack ? mon__msgpack_token : mon__json_token)(mon__s.heard + used, end);
        memmove(mon__s.heard, mon__s.heard + used, mon__s.heard_size -= used);
    }
    return 1;
}

/* A connection that lived for a second has earned an attempt at once. What it cut short begins again on the next. */
static void mon__lose(void) {
    if (mon__s.up && mon__clock_s() > mon__s.tried_s + 1) mon__s.next_s = mon__s.step = 0;
    if (mon__s.config.debug) mon__notice("lost the connection to %s", mon__s.config.host, 0);
    close(mon__s.fd);
    mon__s.fd = -1;
    mon__s.up = 0;
    mon__s.next = mon__s.head;
    mon__s.part = mon__s.out = mon__s.control_size = mon__s.control_sent = mon__s.heard_size = 0;
}

static void mon__stamp(char iso[25], long long *us) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char *end = mon__iso(iso, now.tv_sec);
    *end++ = '.';
    *mon__digits(end, (unsigned long long)now.tv_nsec / 1000000, 3) = 'Z';
    *us = (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Encodes one frame to [at, end), without the number of the record; 0 if it does not fit. */
static size_t mon__encode(char *at, char *end, const char *type, const mon__trace *ids, const char *job, const mon_field *data) {
    const mon__config *config = &mon__s.config;
    const mon_field *outer[MON__DEPTH];
    char iso[25], span[17];
    long long us;
    mon__stamp(iso, &us);
    mon__hex(span, ids->span);
    const mon_field frame[] = {
        mon_str("source", config->source), mon_strn("timestamp", iso, 24), mon_int("ts_us", us), mon_str("type", type),
        mon__if(ids->trace[0] != 0, mon_str("trace_id", ids->trace)), mon__if(ids->span != 0, mon_str("span_id", span)),
        mon__if(job && *job, mon_str("job_id", job)), mon_map("data", data), MON__LAST
    };
    mon__out o = {at, end, config->msgpack, 0};
    mon__fields(&o, frame, 1, outer, 0);
    if (!config->msgpack) mon__byte(&o, '\n');
    return o.over ? 0 : (size_t)(o.at - at);
}

/* A message that is no record: hello, ping, bye. */
static void mon__say(const char *type, const mon_field *data) {
    static const mon__trace none = {"", 0};
    mon__s.control_sent = 0;
    mon__s.control_size = mon__encode(mon__s.control, mon__s.control + sizeof mon__s.control, type, &none, NULL, data);
}

static void mon__hello(void) {
    const mon__config *config = &mon__s.config;
    int acks = config->ack[0] != 0;
    if (!acks && !config->token[0]) return;
    if (!mon__s.session[0]) mon__hex(mon__hex(mon__s.session, mon__random()), mon__random());
    const mon_field data[] = {
        mon_int("v", 1), mon_str("sdk", "c/" MON_VERSION), mon_int("pid", getpid()),
        mon__if(acks, mon_str("session", mon__s.session)), mon__if(acks, mon_str("ack", config->ack)),
        mon__if(config->token[0] != 0, mon_str("token", config->token)), MON__LAST
    };
    mon__say("hello", data);
}

/* One attempt a step of the backoff, with full jitter; 4 ms for a handshake, longer ones go on by themselves. */
static void mon__connect(void) {
    struct sockaddr_storage own;
    socklen_t own_size = sizeof own;
    int on = 1;
    double now_s = mon__clock_s(), limit_s = mon__s.step > 5 ? 5 : 0.1 * (1 << mon__s.step);
    if (now_s < mon__s.next_s || !mon__s.peer_size) return;
    mon__s.step++;
    mon__s.tried_s = now_s;
    mon__s.next_s = now_s + limit_s * (double)(mon__random() >> 11) / 9007199254740992.0;
#ifdef SOCK_CLOEXEC
    int fd = socket(mon__s.peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    int fd = socket(mon__s.peer.ss_family, SOCK_STREAM, 0);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
#endif
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct pollfd ready = {fd, POLLOUT, 0};
    int done = connect(fd, (struct sockaddr *)&mon__s.peer, mon__s.peer_size);
    if (done < 0 && errno == EINPROGRESS) done = poll(&ready, 1, 4) < 0 ? 0 : 1;
    memset(&own, 0, sizeof own);
    /* TCP may connect to itself where nothing listens. */
    if (done < 0 || (!getsockname(fd, (struct sockaddr *)&own, &own_size) && !memcmp(&own, &mon__s.peer, sizeof own))) {
        close(fd);
        return;
    }
    mon__s.fd = fd;
    mon__s.welcome = 0;
    mon__s.unsure = 0;
    mon__hello();
}

/* The bytes to send next, as pieces; their number. */
static int mon__pieces(struct iovec *piece) {
    int count = 0, acks = mon__s.config.ack[0] != 0;
    size_t out = mon__s.out, skip = mon__s.part;
    if (mon__s.control_sent < mon__s.control_size) {
        piece[0].iov_base = mon__s.control + mon__s.control_sent;
        piece[0].iov_len = mon__s.control_size - mon__s.control_sent;
        return 1;
    }
    for (size_t at = mon__s.next; at < mon__s.tail && count < MON__FRAMES && !mon__must_wait(); skip = 0) {
        size_t size = mon__frame_size(at);
        if (acks && out > 0 && (out >= mon__s.window || at + size - mon__s.head > mon__s.window_bytes)) break;
        piece[count].iov_base = mon__s.backlog + at + 4 + skip;
        piece[count++].iov_len = size - skip;
        at += 4 + size;
        out++;
    }
    return count;
}

static void mon__taken(size_t bytes) {
    if (!mon__s.up) {
        mon__s.counts.connects++;
        if (mon__s.config.debug) mon__notice("connected to %s", mon__s.config.host, 0);
    }
    mon__s.up = 1;
    if (mon__s.control_sent < mon__s.control_size) {
        mon__s.control_sent += bytes;
        return;
    }
    while (bytes) {
        size_t left = mon__frame_size(mon__s.next) - mon__s.part;
        if (bytes < left) {
            mon__s.part += bytes;
            return;
        }
        bytes -= left;
        mon__s.part = 0;
        mon__s.next += 4 + mon__frame_size(mon__s.next);
        mon__s.out++;
        if (mon__s.config.ack[0]) continue;
        mon__shift();
        mon__s.unsure += !mon__s.welcome;
    }
}

/* Sends what the kernel takes now, in order. The read before each write is there to see a FIN, too. */
static void mon__drain(void) {
    struct iovec piece[MON__FRAMES];
    struct msghdr message;
    if (mon__s.fd >= 0 && mon__s.config.ack[0] && !mon__hear()) mon__lose();
    for (long left = MON__DRAIN_BYTES; left > 0;) {
        memset(&message, 0, sizeof message);
        if (mon__s.fd >= 0 && mon__s.tail > mon__s.next && !mon__hear()) mon__lose();
        if (mon__s.fd < 0 && mon__s.tail > mon__s.next) mon__connect();
        int count = mon__s.fd < 0 ? 0 : mon__pieces(piece);
        if (!count) break;
        message.msg_iov = piece;
        message.msg_iovlen = (size_t)count;
        ssize_t took = sendmsg(mon__s.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (took < 0 && (mon__is_later(errno) || (errno == ENOTCONN && !mon__s.up))) return;
        if (took < 0) mon__lose();
        if (took > 0) mon__taken((size_t)took);
        left -= took > 0 ? (long)took : 1;
    }
    if (!mon__s.losing || mon__s.counts.queued) return;
    mon__s.losing = 0;
    mon__s.loss_due = 1;
    mon__notice("delivering to %s again; %llu records were dropped", mon__s.config.host, mon__s.dropped[MON__FULL] - mon__s.dropped_before[MON__FULL]);
}

/* Sends the frame or queues it. The last fifth of the backlog is for what is important. */
static int mon__offer(const char *frame, size_t size, int important) {
    if (mon__s.counts.queued) mon__drain();
    size_t used = mon__s.tail - mon__s.head, limit = mon__s.config.limit;
    if (mon__s.counts.queued && used + size + 4 > (important ? limit : limit / 5 * 4)) return mon__drop(MON__FULL);
    if (mon__s.tail + size + 4 > mon__s.room) {
        memmove(mon__s.backlog, mon__s.backlog + mon__s.head, used);
        mon__s.next -= mon__s.head;
        mon__s.head = 0;
        mon__s.tail = used;
    }
    uint32_t length = (uint32_t)size;
    memcpy(mon__s.backlog + mon__s.tail, &length, 4);
    memcpy(mon__s.backlog + mon__s.tail + 4, frame, size);
    mon__s.tail += size + 4;
    mon__s.seq++;
    mon__s.counts.accepted++;
    if (!mon__s.counts.queued++ || mon__s.config.ack[0]) mon__drain();
    return 1;
}

/* ---- threads, traces and spans ---------------------------------------------------------------------------------- */

static int mon__keep(mon__thread *me, const mon_field *field);

static void mon__forget(void *thread) {
    mon__thread *me = (mon__thread *)thread;
    while (me->count) free((void *)me->kept[--me->count].key);
    if (mon__self == me) mon__self = NULL, pthread_setspecific(mon__key, NULL);
    free(me);
}

/* What is this thread's; with the tags as its context when it is new to this client. */
static mon__thread *mon__me(void) {
    static mon__thread nobody; /* without memory */
    if (mon__self && mon__self->generation != mon__s.generation) mon__forget(mon__self);
    if (mon__self) return mon__self;
    mon__thread *me = mon__self = (mon__thread *)calloc(1, sizeof *me);
    if (!me) return &nobody;
    me->number = ++mon__s.threads;
    me->generation = mon__s.generation;
    pthread_setspecific(mon__key, me);
    char tags[sizeof mon__s.config.tags], *at = tags, *equals;
    memcpy(tags, mon__s.config.tags, sizeof tags);
    while (at && *at) {
        char *tag = at, *comma = strchr(at, ',');
        if (comma) *comma = 0;
        at = comma ? comma + 1 : NULL;
        if (!(equals = strchr(tag, '=')) || equals == tag) continue;
        *equals = 0;
        mon_field field = mon_str(tag, equals + 1);
        mon__keep(me, &field);
    }
    return me;
}

/* `digits` hexadecimal digits, not all of them 0, in lower case to `out`; dashes are passed over if `dashes`. */
static const char *mon__id(const char *text, int digits, char *out, int dashes) {
    int some = 0;
    while (digits) {
        char c = *text++;
        if (dashes && c == '-') continue;
        if (c >= 'A' && c <= 'F') c = (char)(c + 32);
        if (!c || !strchr("0123456789abcdef", c)) return NULL;
        some |= c != '0';
        *out++ = c;
        digits--;
    }
    *out = 0;
    return some ? text : NULL;
}

static int mon__parse_traceparent(const char *text, mon__trace *out) {
    mon__trace ids;
    char span[17];
    if (!text || strnlen(text, 55) < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return 0;
    if (!mon__id(text + 3, 32, ids.trace, 0) || !mon__id(text + 36, 16, span, 0)) return 0;
    ids.span = strtoull(span, NULL, 16);
    *out = ids;
    return 1;
}

static mon__open_span **mon__find(mon_span id, unsigned long long owner) {
    mon__open_span **at = &mon__s.spans;
    while (*at && (id ? (*at)->ids.span != id : (*at)->owner != owner)) at = &(*at)->next;
    return at;
}

/* What a record or a new span belongs to: the span opened last, else set_context, else what is continued. */
static mon__trace mon__current(const mon__thread *me) {
    const mon__open_span *open = *mon__find(0, me->number);
    mon__trace ids;
    if (open) return open->ids;
    if (!me->trace[0]) return me->continued ? me->remote : mon__s.inherited;
    memset(&ids, 0, sizeof ids);
    memcpy(ids.trace, me->trace, sizeof ids.trace);
    return ids;
}

static const char *mon__job(const mon__thread *me) { return me->job[0] ? me->job : mon__s.config.job; }

/* A field's text, if it can name a job. */
static void mon__name(char out[256], const mon_field *field) {
    out[0] = 0;
    if (field->kind == MON_INT) snprintf(out, 256, "%lld", field->as.integer);
    if (field->kind == MON_TEXT) snprintf(out, 256, "%.*s", field->size > 255 ? 255 : (int)field->size, field->as.text);
}

/* ---- records; the lock is held ---------------------------------------------------------------------------------- */

/* One record. Of `data`, the last member is for the context. */
static int mon__record(mon__thread *me, const char *type, mon_field *data, const char *slot, const mon_field *given, int important, const mon__trace *ids, const char *job) {
    static const mon_field truncated[] = {{"_truncated", MON_BOOL, 0, {"1"}}, MON__LAST}, none[] = {MON__LAST};
    mon_field *last = data, *merged = mon__s.merged;
    mon_record record = {type, data, merged};
    char *frame = mon__s.frame, *end = frame + MON__RECORD_BYTES, given_job[256];
    size_t count = 0, size;
    if (mon__s.closed) return mon__drop(MON__CLOSED);
    mon__s.given = given;
    for (const mon_field *field = given ? given : none; field->kind != MON_END && count < MON__KEYS; field++) {
        merged[count++] = *field;
        if (!field->key || strcmp(field->key, "job_id")) continue;
        mon__name(given_job, field);
        if (given_job[0]) job = given_job;
    }
    memcpy(merged + count, me->kept, (size_t)me->count * sizeof *merged);
    merged[count += (size_t)me->count] = none[0];
    while (last[1].kind != MON_END) last++;
    if (count && slot) *last = mon_map(slot, merged);
    int wanted = !mon__s.config.before_send || mon__s.config.before_send(&record, mon__s.config.user);
    size = wanted ? mon__encode(frame, end, type, ids, job, data) : 0;
    if (wanted && !size && count && slot) {
        *last = mon_map(slot, truncated);
        size = mon__encode(frame, end, type, ids, job, data);
    }
    mon__s.given = NULL;
    if (!wanted) return 0;
    if (!size) return mon__drop(MON__OVERSIZE);
    if (mon__s.config.ack[0]) {
        mon__out o = {frame + size - (mon__s.config.msgpack ? 0 : 2), frame + sizeof mon__s.frame, mon__s.config.msgpack, 0};
        if (o.msgpack) frame[0]++, mon__text(&o, "seq", 3);
        else mon__put(&o, ",\"seq\":", 7);
        mon__integer(&o, (long long)mon__s.seq + 1);
        if (!o.msgpack) mon__put(&o, "}\n", 2);
        size = (size_t)(o.at - frame);
    }
    return mon__offer(frame, size, important);
}

/* One that belongs to where this thread is. */
static int mon__send(const char *type, mon_field *data, const char *slot, const mon_field *given, int important) {
    mon__thread *me = mon__me();
    mon__trace ids = mon__current(me);
    return mon__record(me, type, data, slot, given, important, &ids, mon__job(me));
}

static int mon__end(mon__thread *me, mon__open_span **at, const char *status, const char *message, const mon_field *attributes) {
    mon__open_span *span = *at;
    char parent[17];
    *at = span->next;
    if (!message && span->failed) message = span->failure;
    mon__hex(parent, span->parent);
    mon_field data[] = {
        mon_str("phase", "end"), mon_str("name", span->name), mon__if(span->parent != 0, mon_str("parent_span_id", parent)),
        mon_int("start_us", span->start_us), mon_int("duration_us", (long long)((mon__clock_s() - span->start_s) * 1e6)),
        mon_str("status", status ? status : span->failed ? "error" : "success"),
        mon__if(message != NULL, mon_str("status_message", message)), mon__field(NULL, MON_OMIT, 0), MON__LAST
    };
    int kept = mon__record(me, "span", data, "attributes", attributes, 1, &span->ids, mon__job(me));
    /* The next span may start before it is said for which job; its start must not name the last one. */
    if (span->owner == me->number) me->job_over = !*mon__find(0, me->number) && me->job[0];
    free(span);
    return kept;
}

static mon_span mon__start(mon__thread *me, const char *name, mon__trace from) {
    struct timespec now;
    char parent[17];
    int open = 0;
    size_t size = name ? strnlen(name, MON__TEXT_BYTES + 1) : 0;
    mon__open_span *span = (mon__open_span *)calloc(1, sizeof *span + size), **at = &mon__s.spans;
    if (!span) return mon__drop(MON__ENCODE);
    for (; *at && (*at)->next; at = &(*at)->next) open++;
    if (open >= MON__SPANS - 1) mon__end(me, at, "abandoned", NULL, NULL);
    if (size) memcpy(span->name, name, size);
    span->owner = me->number;
    span->parent = from.span;
    span->ids = from;
    span->ids.span = mon__random();
    if (!from.trace[0]) mon__hex(mon__hex(span->ids.trace, mon__random()), mon__random());
    mon__hex(parent, from.span);
    mon_field data[] = {
        mon_str("phase", "start"), mon_str("name", span->name), mon__if(from.span != 0, mon_str("parent_span_id", parent)),
        mon__field(NULL, MON_OMIT, 0), MON__LAST
    };
    mon__record(me, "span", data, "attributes", NULL, 0, &span->ids, me->job_over ? NULL : mon__job(me));
    clock_gettime(CLOCK_REALTIME, &now);
    span->start_us = (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    span->start_s = mon__clock_s();
    span->next = mon__s.spans;
    mon__s.spans = span;
    return span->ids.span;
}

static int mon__keep(mon__thread *me, const mon_field *field) {
    const mon_field *outer[MON__DEPTH] = {NULL};
    int at = 0;
    while (at < me->count && strcmp(me->kept[at].key, field->key)) at++;
    if (at == MON__CONTEXT_KEYS) return 0;
    mon__out o = {mon__s.frame, mon__s.frame + MON__RECORD_BYTES, mon__s.config.msgpack, 0};
    mon__value(&o, field, outer, 3);
    size_t key_size = strlen(field->key) + 1, size = (size_t)(o.at - mon__s.frame);
    char *copy = field->kind <= MON_NULL || o.over ? NULL : (char *)malloc(key_size + size);
    if (!copy && field->kind > MON_NULL) return 0;
    if (at < me->count) {
        free((void *)me->kept[at].key);
        memmove(me->kept + at, me->kept + at + 1, (size_t)(--me->count - at) * sizeof *me->kept);
    }
    if (!copy) return 1;
    memcpy(copy, field->key, key_size);
    memcpy(copy + key_size, mon__s.frame, size);
    me->kept[me->count] = mon_strn(copy, copy + key_size, size);
    me->kept[me->count++].kind = MON_ENCODED;
    return 1;
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

static void mon__begin(void) {
    unsigned long long queued = mon__s.counts.queued;
    memset(&mon__s.counts, 0, sizeof mon__s.counts);
    memset(mon__s.dropped, 0, sizeof mon__s.dropped);
    mon__s.counts.accepted = mon__s.dropped[MON__FORKED] = queued;
    mon__s.head = mon__s.next = mon__s.tail = mon__s.part = mon__s.out = mon__s.pool_size = 0;
    mon__s.control_size = mon__s.control_sent = mon__s.heard_size = 0;
    mon__s.window = 1000;
    mon__s.window_bytes = 1 << 20;
    mon__s.seq = mon__s.reentered = 0;
    mon__s.losing = mon__s.loss_due = mon__s.up = mon__s.step = mon__s.refused = mon__s.session[0] = 0;
    mon__s.tried_s = mon__s.next_s = 0;
    if (mon__s.fd >= 0) close(mon__s.fd); /* no shutdown: in a child the connection is the parent's */
    mon__s.fd = -1;
    mon__s.pid = getpid();
}

static double mon__seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

/* Sets what mon_sample() reckons from to now. */
static void mon__mark(struct rusage *use) {
    getrusage(RUSAGE_SELF, use);
    mon__s.sampled_s = mon__clock_s();
    mon__s.sampled_cpu_s = mon__seconds(use->ru_utime) + mon__seconds(use->ru_stime);
    mon__s.sampled_blocks = (double)use->ru_inblock + (double)use->ru_oublock;
}

/* In a forked child: where it is in the trace stays, the rest is the parent's. */
static void mon__own(void) {
    mon__thread *me = mon__me();
    struct rusage use;
    me->remote = mon__current(me);
    me->continued = 1;
    while (mon__s.spans) {
        mon__open_span *span = mon__s.spans;
        mon__s.spans = span->next;
        free(span);
    }
    mon__begin();
    mon__mark(&use);
}

/* The hooks of fork() touch memory only. A fork out of a signal handler that met a call finds the lock held. */
static void mon__before_fork(void) { if (!mon__busy) pthread_mutex_lock(&mon__lock); }
static void mon__after_fork(void) { if (!mon__busy) pthread_mutex_unlock(&mon__lock); }
static void mon__in_child(void) {
    mon__s.pid = 0;
    mon__after_fork();
}

typedef struct mon__call {
    int error, cancel;
} mon__call;

/* Begins a call: 0 if there is nothing to do. A thread is not cancelled meanwhile, with the lock held. */
static int mon__enter(mon__call *call) {
    if (!__atomic_load_n(&mon__s.active, __ATOMIC_ACQUIRE)) return 0;
    if (mon__busy) {
        __atomic_fetch_add(&mon__s.reentered, 1, __ATOMIC_RELAXED);
        return 0;
    }
    mon__busy = 1;
    call->error = errno;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancel);
    pthread_mutex_lock(&mon__lock);
    if (mon__s.pid != getpid()) mon__own();
    return 1;
}

static int mon__sample(void) {
    struct rusage use;
    double since_s = mon__s.sampled_s, cpu_s = mon__s.sampled_cpu_s, blocks = mon__s.sampled_blocks, megabytes, pages = 0;
    mon__mark(&use);
    since_s = mon__s.sampled_s - since_s;
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strchr(text, ' ')) pages = atof(strchr(text, ' '));
    if (fd >= 0) close(fd);
    megabytes = pages > 0 ? pages * (double)sysconf(_SC_PAGESIZE) / 1048576 : (double)use.ru_maxrss / 1024;
    mon_field data[] = {
        mon_num("cpu", since_s > 0 ? 100 * (mon__s.sampled_cpu_s - cpu_s) / since_s : 0), mon_num("memory", megabytes),
        mon_num("disk", (mon__s.sampled_blocks - blocks) / 2048), mon_null("network"), mon_int("pid", getpid()),
        mon_str("per", "process"), mon__field(NULL, MON_OMIT, 0), MON__LAST
    };
    return mon__send("resource", data, "context", NULL, 0);
}

static int mon__leave(mon__call *call, int result) {
    if (mon__s.loss_due) {
        static const char *const names[] = {"full", "encode", "oversize", "refused", "closed", "forked"};
        mon_field lost[MON__REASONS + 1], data[3];
        memset(lost, 0, sizeof lost);
        memset(data, 0, sizeof data);
        for (int i = 0; i < MON__REASONS; i++) lost[i] = mon_int(names[i], (long long)(mon__s.dropped[i] - mon__s.dropped_before[i]));
        data[0] = mon_map("dropped", lost);
        data[1] = mon__field(NULL, MON_OMIT, 0);
        mon__s.loss_due = 0;
        mon__send("sdk", data, "context", NULL, 0);
    }
    if (mon__s.config.sample_s > 0 && !mon__s.closed && mon__clock_s() - mon__s.sampled_s >= mon__s.config.sample_s) mon__sample();
    pthread_mutex_unlock(&mon__lock);
    pthread_setcancelstate(call->cancel, NULL);
    errno = call->error;
    mon__busy = 0;
    return result;
}

static int mon__among(const char *text, const char *const *words) {
    for (int i = 0; text && words[i]; i++) {
        const char *a = text, *b = words[i];
        while (*a && (*a | 32) == *b) a++, b++;
        if (!*a && !*b) return i + 1;
    }
    return 0;
}

static int mon__rank(const char *level) {
    static const char *const names[] = {
        "trace", "verbose", "debug", "info", "notice", "warn", "warning", "error", "err", "fatal", "critical", "crit",
        "alert", "emerg", "emergency", "panic", NULL
    };
    return "31123344556666666"[mon__among(level, names)] - '0';
}

int mon_event(const char *level, const char *message, const mon_field *context) {
    mon__call call;
    if (!mon__enter(&call)) return 0;
    if (!level || !*level) level = "info";
    int rank = mon__rank(level);
    mon_field data[] = {mon_str("level", level), mon_str("message", message ? message : ""), mon__field(NULL, MON_OMIT, 0), MON__LAST};
    return mon__leave(&call, rank < mon__s.config.level ? 1 : mon__send("event", data, "context", context, rank >= 4));
}

int mon_metric(const char *name, double value, const char *unit, const mon_field *tags) {
    mon__call call;
    if (!mon__enter(&call)) return 0;
    mon_field data[] = {mon_str("name", name ? name : ""), mon_num("value", value), mon_str("unit", unit), mon__field(NULL, MON_OMIT, 0), MON__LAST};
    return mon__leave(&call, value - value != 0 ? mon__drop(MON__ENCODE) : mon__send("metric", data, "tags", tags, 0));
}

int mon_progress_with(const char *job_id, double percent, const char *status, const mon_field *more) {
    static const char *const final[] = {
        "complete", "completed", "done", "finished", "success", "succeeded", "fail", "failed", "failure", "error",
        "canceled", "cancelled", "aborted", NULL
    };
    mon__call call;
    if (!mon__enter(&call)) return 0;
    mon__thread *me = mon__me();
    mon__trace ids = mon__current(me);
    const char *job = job_id ? job_id : mon__job(me);
    mon_field data[MON__KEYS];
    int count = 3;
    data[0] = job_id || *job ? mon_str("job_id", job) : mon_null("job_id");
    data[1] = mon_num("percent", percent);
    data[2] = mon_str("status", status);
    for (; more && more->kind != MON_END && count < MON__KEYS - 2; more++) data[count++] = *more;
    data[count] = mon__field(NULL, MON_OMIT, 0);
    data[count + 1] = mon__field(NULL, MON_END, 0);
    return mon__leave(&call, mon__record(me, "progress", data, "context", NULL, percent >= 100 || mon__among(status, final), &ids, job));
}

int mon_progress(const char *job_id, double percent, const char *status) {
    return mon_progress_with(job_id, percent, status, NULL);
}

int mon_resource_with(const mon_field *members) {
    mon__call call;
    mon_field data[MON__KEYS];
    int count = 0;
    if (!mon__enter(&call)) return 0;
    for (; members && members->kind != MON_END && count < MON__KEYS - 2; members++) data[count++] = *members;
    data[count] = mon__field(NULL, MON_OMIT, 0);
    data[count + 1] = mon__field(NULL, MON_END, 0);
    return mon__leave(&call, mon__send("resource", data, "context", NULL, 0));
}

int mon_resource(double cpu, double memory, double disk, double network) {
    mon_field data[] = {mon_num("cpu", cpu), mon_num("memory", memory), mon_num("disk", disk), mon_num("network", network), MON__LAST};
    for (int i = 0; i < 4; i++)
        if (data[i].as.number != data[i].as.number) data[i].kind = MON_NULL;
    return mon_resource_with(data);
}

int mon_sample(void) {
    mon__call call;
    return mon__enter(&call) ? mon__leave(&call, mon__sample()) : 0;
}

mon_span mon_span_start_in(const char *name, mon_span parent, const char *traceparent) {
    mon__call call;
    if (!mon__enter(&call)) return 0;
    mon__thread *me = mon__me();
    mon__open_span *open = parent ? *mon__find(parent, 0) : NULL;
    mon__trace from = open ? open->ids : mon__current(me);
    if (!open) mon__parse_traceparent(traceparent, &from);
    mon_span id = mon__start(me, name, from);
    mon__leave(&call, 1);
    return id;
}

mon_span mon_span_start(const char *name) { return mon_span_start_in(name, 0, NULL); }

int mon_span_end_with(mon_span span, const char *status, const char *message, const mon_field *attributes) {
    mon__call call;
    if (!mon__enter(&call)) return 0;
    mon__open_span **at = &mon__s.spans;
    while (*at && (*at)->ids.span != span) at = &(*at)->next;
    if (*at) return mon__leave(&call, mon__end(mon__me(), at, status, message, attributes));
    mon__s.counts.unknown_spans++;
    return mon__leave(&call, 0);
}

int mon_span_end(mon_span span, const char *status) { return mon_span_end_with(span, status, NULL, NULL); }
void mon__span_leave(mon_span *span) { mon_span_end(*span, NULL); }

void mon_span_fail(mon_span span, const char *message) {
    mon__call call;
    if (!mon__enter(&call)) return;
    mon__open_span *open = span ? *mon__find(span, 0) : NULL;
    if (open) open->failed = 1, snprintf(open->failure, sizeof open->failure, "%s", message ? message : "");
    mon__leave(&call, 1);
}

int mon_set_context(mon_field field) {
    mon__call call;
    char text[256], trace[33];
    if (!field.key || !mon__enter(&call)) return 0;
    mon__thread *me = mon__me();
    if (!strcmp(field.key, "job_id")) {
        mon__name(me->job, &field);
        me->job_over = 0;
        return mon__leave(&call, 1);
    }
    if (strcmp(field.key, "trace_id")) return mon__leave(&call, mon__keep(me, &field));
    mon__name(text, &field);
    int known = mon__id(text, 32, trace, 1) != NULL;
    if (known) memcpy(me->trace, trace, sizeof trace);
    else if (field.kind == MON_NULL) me->trace[0] = 0;
    return mon__leave(&call, known || field.kind == MON_NULL);
}

int mon_continue_trace(const char *traceparent) {
    mon__call call;
    mon__trace remote;
    if (!mon__enter(&call)) return 0;
    mon__thread *me = mon__me();
    int known = mon__parse_traceparent(traceparent, &remote);
    if (known) me->remote = remote;
    if (known || !traceparent) me->continued = known;
    return mon__leave(&call, known || !traceparent);
}

int mon_traceparent(char out[56]) {
    mon__call call;
    char span[17];
    if (!out) return 0;
    out[0] = 0;
    if (!mon__enter(&call)) return 0;
    mon__trace ids = mon__current(mon__me());
    mon__hex(span, ids.span);
    if (ids.span) snprintf(out, 56, "00-%s-%s-01", ids.trace, span);
    return mon__leave(&call, ids.span != 0);
}

char **mon_child_env(void) {
    static const char *const names[] = {"TRACEPARENT=", "MONITORING_JOB_ID=", "MONITORING_HOST=", "MONITORING_PORT="};
    char own[4][300] = {"", "", "", ""}, traceparent[56];
    mon__call call;
    mon_traceparent(traceparent);
    if (mon__enter(&call)) {
        const char *values[] = {traceparent, mon__job(mon__me()), mon__s.config.host, mon__s.config.port};
        for (int i = 0; i < 4; i++)
            if (*values[i]) snprintf(own[i], sizeof own[i], "%s%s", names[i], values[i]);
        mon__leave(&call, 1);
    }
    size_t count = 4, bytes = sizeof own, i, k;
    for (i = 0; environ && environ[i]; i++, count++) bytes += strlen(environ[i]) + 1;
    char **block = (char **)malloc((count + 1) * sizeof *block + bytes), **entry = block;
    if (!block) return NULL;
    char *text = (char *)(block + count + 1);
    for (i = 0; i < count; i++) {
        const char *from = i < 4 ? own[i] : environ[i - 4];
        for (k = 0; i >= 4 && k < 4; k++)
            if (own[k][0] && !strncmp(from, names[k], strlen(names[k]))) from = "";
        if (!*from) continue;
        *entry++ = strcpy(text, from);
        text += strlen(from) + 1;
    }
    *entry = NULL;
    return block;
}

mon_counts mon_stats(void) {
    mon__call call;
    mon_counts counts;
    memset(&counts, 0, sizeof counts);
    if (!mon__enter(&call)) return counts;
    unsigned long long reentered = __atomic_load_n(&mon__s.reentered, __ATOMIC_RELAXED);
    counts = mon__s.counts;
    counts.accepted += reentered;
    counts.full = mon__s.dropped[MON__FULL];
    counts.encode = mon__s.dropped[MON__ENCODE] + reentered;
    counts.oversize = mon__s.dropped[MON__OVERSIZE];
    counts.refused = mon__s.dropped[MON__REFUSED];
    counts.closed = mon__s.dropped[MON__CLOSED];
    counts.forked = mon__s.dropped[MON__FORKED];
    counts.queued_bytes = mon__s.tail - mon__s.head;
    counts.connected = mon__s.up;
    mon__leave(&call, 1);
    return counts;
}

/* ---- flush, close, init ----------------------------------------------------------------------------------------- */

/* Without a sidecar it gives up after absent_s. The lock is not held while it waits. */
static int mon__flush(double timeout_s, double absent_s) {
    double start_s = mon__clock_s();
    mon__call call;
    for (int asked = 0, first = 1;; first = 0) {
        if (!mon__enter(&call)) return 1;
        if (first && mon__s.tried_s + 0.1 < start_s) mon__s.next_s = 0;
        mon__drain();
        int acks = mon__s.config.ack[0] != 0, is_out = mon__s.next == mon__s.tail && mon__s.control_sent == mon__s.control_size;
        if (acks && !asked && mon__s.up && is_out && mon__s.counts.queued) {
            static const mon_field none[] = {MON__LAST};
            mon__say("ping", none);
            asked = 1;
            mon__drain();
        }
        struct pollfd ready = {mon__s.fd, (short)(is_out || mon__must_wait() ? POLLIN : POLLOUT), 0};
        int done = !mon__s.counts.queued, is_up = mon__s.up;
        mon__leave(&call, 1);
        double passed_s = mon__clock_s() - start_s;
        if (done) return 1;
        if (!(passed_s < timeout_s) || (!is_up && passed_s >= absent_s)) return 0;
        poll(&ready, ready.fd >= 0 ? 1 : 0, 20);
        errno = call.error;
    }
}

int mon_flush(double timeout_s) { return mon__flush(timeout_s, 1e9); }

static int mon__finish(void) {
    mon__call call;
    if (!mon__enter(&call)) return 1;
    while (mon__s.spans) mon__end(mon__me(), &mon__s.spans, "abandoned", NULL, NULL);
    mon__leave(&call, 1);
    int flushed = mon__flush(1, 0.2);
    if (flushed || !mon__enter(&call)) return flushed;
    mon__notice("%s%llu records could not be delivered", "", mon__s.counts.queued);
    return mon__leave(&call, 0);
}

/* Closed with something unread, the connection would be reset, and what is on its way lost. */
static void mon__linger(int fd) {
    char heard[512];
    double until_s = mon__clock_s() + 0.2;
    struct pollfd ready = {fd, POLLIN, 0};
    shutdown(fd, SHUT_WR);
    while (mon__clock_s() < until_s) {
        poll(&ready, 1, 20);
        ssize_t got = recv(fd, heard, sizeof heard, MSG_DONTWAIT);
        if (!got || (got < 0 && !mon__is_later(errno))) break;
    }
    close(fd);
}

int mon_close(void) {
    static const mon_field none[] = {MON__LAST};
    mon__call call;
    if (!mon__enter(&call)) return 1;
    if (mon__s.closed) return mon__leave(&call, 1);
    mon__leave(&call, 1);
    int flushed = mon__finish();
    if (!mon__enter(&call)) return flushed;
    mon__s.config.sample_s = 0;
    if (mon__s.config.ack[0] && mon__s.up && mon__s.control_sent == mon__s.control_size && mon__s.next == mon__s.tail) {
        mon__say("bye", none);
        mon__drain();
    }
    mon__s.closed = 1;
    mon__s.dropped[MON__CLOSED] += mon__s.counts.queued;
    mon__s.counts.queued = mon__s.head = mon__s.next = mon__s.tail = mon__s.up = 0;
    int fd = mon__s.fd, talks = mon__s.config.ack[0] || mon__s.config.token[0];
    mon__s.fd = -1;
    if (mon__self) mon__forget(mon__self);
    mon__leave(&call, 1);
    if (fd >= 0 && talks) mon__linger(fd);
    else if (fd >= 0) close(fd);
    errno = call.error;
    return flushed;
}

static void mon__at_exit(void) {
    if (mon__s.pid == getpid() && !mon__s.closed) mon__finish();
}

static void mon__set_up(void) {
    pthread_key_create(&mon__key, mon__forget);
    pthread_atfork(mon__before_fork, mon__after_fork, mon__in_child);
    atexit(mon__at_exit);
}

/* An argument, else the environment, else the default. */
static const char *mon__choose(const char *given, const char *name, const char *otherwise) {
    const char *value = given && *given ? given : getenv(name);
    return value && *value ? value : otherwise;
}

static int mon__is_on(int given, const char *name) {
    static const char *const off[] = {"0", "false", "no", "off", NULL};
    const char *value = mon__choose(NULL, name, "0");
    return given || !mon__among(value, off);
}

static void mon__configure(mon__config *config, const mon_options *options) {
    static const char *const acks[] = {"memory", "disk", NULL}, *const packed[] = {"msgpack", NULL};
    const char *source = mon__choose(options->source, "MONITORING_SOURCE", mon__choose(NULL, "OTEL_SERVICE_NAME", "c"));
    const char *level = mon__choose(options->level, "MONITORING_LEVEL", "trace"), *ack = mon__choose(options->ack, "MONITORING_ACK", "");
    long port = options->port ? options->port : atol(mon__choose(NULL, "MONITORING_PORT", ""));
    unsigned long limit = options->buffer_bytes ? options->buffer_bytes : strtoul(mon__choose(NULL, "MONITORING_BUFFER_BYTES", "0"), NULL, 10);
    memset(config, 0, sizeof *config);
    snprintf(config->source, sizeof config->source, "%s", source);
    for (char *c = config->source; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?';
    snprintf(config->host, sizeof config->host, "%s", mon__choose(options->host, "MONITORING_HOST", "127.0.0.1"));
    snprintf(config->port, sizeof config->port, "%ld", port > 0 && port < 65536 ? port : 17000);
    snprintf(config->tags, sizeof config->tags, "%s", mon__choose(options->tags, "MONITORING_TAGS", ""));
    snprintf(config->job, sizeof config->job, "%s", mon__choose(options->job_id, "MONITORING_JOB_ID", ""));
    snprintf(config->token, sizeof config->token, "%s", mon__choose(options->token, "MONITORING_TOKEN", ""));
    if (mon__among(ack, acks)) snprintf(config->ack, sizeof config->ack, "%s", acks[mon__among(ack, acks) - 1]);
    config->level = mon__rank(level);
    config->disabled = mon__is_on(options->disabled, "MONITORING_DISABLED") || mon__is_on(0, "OTEL_SDK_DISABLED");
    config->quiet = mon__is_on(options->quiet, "MONITORING_QUIET");
    config->debug = mon__is_on(options->debug, "MONITORING_DEBUG");
    config->msgpack = mon__among(mon__choose(options->protocol, "MONITORING_PROTOCOL", ""), packed);
    config->limit = limit > 0 && limit < 1ul << 30 ? limit : 1 << 20;
    config->sample_s = options->sample_s;
    config->before_send = options->before_send;
    config->user = options->user;
}

/* The sidecar's address; the only time that a name is looked up. */
static socklen_t mon__resolve(const mon__config *config, struct sockaddr_storage *peer) {
    const char *host = strcmp(config->host, "localhost") ? config->host : "127.0.0.1";
    struct addrinfo hints, *found = NULL;
    memset(peer, 0, sizeof *peer);
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST;
    int error = getaddrinfo(host, config->port, &hints, &found);
    hints.ai_flags = 0;
    if (error) error = getaddrinfo(host, config->port, &hints, &found);
    if (error) return 0;
    socklen_t size = found->ai_addrlen;
    memcpy(peer, found->ai_addr, size);
    freeaddrinfo(found);
    return size;
}

static int mon__is_same(const mon__config *config) {
    mon__call call;
    return mon__enter(&call) && mon__leave(&call, !mon__s.closed && !memcmp(config, &mon__s.config, sizeof *config));
}

int mon_init_with(const mon_options *options) {
    static const mon_options nothing = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    mon__config config;
    struct sockaddr_storage peer;
    struct rusage use;
    int error = errno;
    if (mon__busy) return 0;
    mon__configure(&config, options ? options : &nothing);
    if (mon__is_same(&config)) return 1;
    mon_close();
    pthread_once(&mon__once, mon__set_up);
    size_t room = 2 * config.limit + 2 * MON__RECORD_BYTES;
    char *backlog = config.disabled ? NULL : (char *)malloc(room);
    socklen_t peer_size = backlog ? mon__resolve(&config, &peer) : 0;
    pthread_mutex_lock(&mon__lock);
    mon__busy = 1;
    free(mon__s.backlog);
    if (!mon__s.generation++) mon__s.fd = -1;
    mon__begin();
    mon__s.counts.accepted = mon__s.dropped[MON__FORKED] = 0;
    mon__s.config = config;
    mon__s.backlog = backlog;
    mon__s.room = room;
    mon__s.closed = 0;
    mon__s.peer_size = peer_size;
    if (peer_size) mon__s.peer = peer;
    memset(&mon__s.inherited, 0, sizeof mon__s.inherited);
    mon__parse_traceparent(getenv("TRACEPARENT"), &mon__s.inherited);
    mon__mark(&use);
    if (backlog && !peer_size) mon__notice("cannot resolve %s; nothing will be delivered", config.host, 0);
    if (backlog) mon__connect();
    __atomic_store_n(&mon__s.active, backlog != NULL, __ATOMIC_RELEASE);
    mon__busy = 0;
    pthread_mutex_unlock(&mon__lock);
    errno = error;
    return backlog != NULL;
}

int mon_init(const char *source, const char *host, int port) {
    mon_options options;
    memset(&options, 0, sizeof options);
    options.source = source;
    options.host = host;
    options.port = port;
    return mon_init_with(&options);
}

#ifdef __cplusplus
}
#endif
#endif /* MONITORING_IMPLEMENTATION */
