package monitoring;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Sends to one sidecar as one source. A call encodes its record and hands it to the kernel before it returns, without
 * ever waiting. Thread-safe; no method throws, whatever it is given.
 */
public final class Client implements AutoCloseable {
    /** The version that the sidecar is told. */
    public static final String VERSION = "0.1.0";
    private static final int MAX_CONTEXT_KEYS = 64;
    private static final int MAX_OPEN_SPANS = 1024;
    private static final int WARN = 4;
    private static final double CLOSE_S = 1;
    private static final double ABSENT_S = 0.2;
    private static final String NO_SPAN = "0000000000000000";
    private static final Map<String, Integer> RANKS = new LinkedHashMap<>();
    private static final Pattern FINAL = Pattern.compile(
            "completed?|done|finished|success|succeeded|fail(ed|ure)?|error|cancell?ed|aborted", Pattern.CASE_INSENSITIVE);
    private static final Pattern TRACEPARENT =
            Pattern.compile("[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}.*");
    private static final SecureRandom RANDOM = new SecureRandom();

    static {
        String[][] levels = {{}, {"trace", "verbose"}, {"debug"}, {"info", "notice"}, {"warn", "warning"}, {"error", "err"},
            {"fatal", "critical", "crit", "alert", "emerg", "emergency", "panic"}};
        for (int rank = 1; rank < levels.length; rank++) for (String level : levels[rank]) RANKS.put(level, rank);
    }

    private static final class Open {
        final String id = newId(8);
        final String trace;
        /** As {@link Client#around}. */
        final List<String> outer;
        final long startNs = System.nanoTime();
        Map<String, Object> core;

        Open(String trace, List<String> outer) {
            this.trace = trace;
            this.outer = outer;
        }
    }

    final boolean disabled;
    /** What {@link Monitoring#init} has it under, if it does, and how many have it from there. */
    volatile String key;
    int users;
    private final String source;
    private final String host;
    private final int port;
    private final int rank;
    private final boolean isMsgpack;
    private final boolean quiet;
    private final String ack;
    private final String token;
    private final String session = newId(16);
    private final String envJob;
    private final String[] inherited;
    private final java.util.function.UnaryOperator<Map<String, Object>> beforeSend;
    private final Object lock = new Object();
    private final Bytes buffer = new Bytes();
    /** One flag a thread: whether it is in a call. */
    private final ThreadLocal<boolean[]> busy = ThreadLocal.withInitial(() -> new boolean[1]);
    /** Ids of the spans around what a thread does, the innermost first: nothing of this class, which threads may outlive. */
    private final ThreadLocal<List<String>> around = ThreadLocal.withInitial(List::of);
    private final Map<String, Open> spans = new LinkedHashMap<>();
    private volatile Map<String, Object> context = new TreeMap<>();
    private volatile String job;
    private volatile boolean isJobOver;
    private volatile String trace = "";
    private volatile String[] remote;
    private Link link;
    private Thread helper;
    private boolean closed;
    private volatile double[] sampled;
    private long unknownSpans;
    private long second = -1;
    private String stamp = "";

    /** A client of its own; {@link Monitoring#init} gives the same one for the same options. */
    public Client(Options given) {
        Options options = given == null ? new Options() : given;
        source = printable(options.text("SOURCE", orElse(System.getenv("OTEL_SERVICE_NAME"), "java")));
        host = options.text("HOST", "127.0.0.1");
        port = options.whole("PORT", 65_535, 17_000);
        rank = rankOf(options.text("LEVEL", "trace"));
        isMsgpack = options.text("PROTOCOL", "").equalsIgnoreCase("msgpack");
        quiet = options.isOn("QUIET");
        String wanted = options.text("ACK", "").toLowerCase(Locale.ROOT);
        ack = wanted.matches("memory|disk") ? wanted : "";
        token = options.text("TOKEN", "");
        beforeSend = options.beforeSend;
        envJob = job = options.text("JOB_ID", null);
        String[] parent = traceparentOf(System.getenv("TRACEPARENT"));
        inherited = remote = parent == null ? new String[] {"", ""} : parent;
        boolean off = options.isOn("DISABLED") || !orElse(System.getenv("OTEL_SDK_DISABLED"), "").matches("(?i)0|false|no|off|");
        if (!off) off = !open(options);
        disabled = off;
    }

    private boolean open(Options options) {
        try {
            context = mapOf(options.tags());
            boolean saysHello = !ack.isEmpty() || !token.isEmpty();
            link = new Link(host, port, options.whole("BUFFER_BYTES", 1_000_000_000, 1 << 20), this::notice,
                    saysHello ? this::hello : null, !ack.isEmpty());
            link.debug = options.isOn("DEBUG");
            link.connect();
            return true;
        } catch (Exception error) {
            notice("cannot resolve " + host + ": " + error.getMessage() + "; nothing will be delivered");
            return false;
        }
    }

    /** An event. Levels: trace, debug, info, warn, error, fatal; the usual other names are understood. */
    public boolean logEvent(String level, String message, Map<String, ?> context) {
        return safely(false, () -> {
            String name = level == null || level.isEmpty() ? "info" : Values.text(level);
            if (rankOf(name) < rank) return true;
            Map<String, Object> core = fields("level", name, "message", message == null ? "" : Values.text(message));
            return record("event", core, "context", context, rankOf(name) >= WARN, null);
        });
    }

    /** An event without a context of its own. */
    public boolean logEvent(String level, String message) {
        return logEvent(level, message, null);
    }

    /** A finite number; else the record is dropped and counted. */
    public boolean logMetric(String name, double value, String unit, Map<String, ?> tags) {
        return safely(false, () -> {
            if (Double.isNaN(value) || Double.isInfinite(value)) return drop("encode");
            Object number = Values.plain(value);
            Map<String, Object> core = fields("name", name == null ? "" : Values.text(name),
                    "value", number instanceof String ? value : number, "unit", unit == null ? null : Values.text(unit));
            return record("metric", core, "tags", tags, false, null);
        });
    }

    /** A metric without tags of its own. */
    public boolean logMetric(String name, double value, String unit) {
        return logMetric(name, value, unit, null);
    }

    /** How far a job is, 0 to 100; {@code more}: message, current, total; may be null. */
    public boolean logProgress(String jobId, double percent, String status, Map<String, ?> more) {
        return safely(false, () -> {
            String of = jobId == null ? job : Values.text(jobId);
            Map<String, Object> core = fields("job_id", of, "percent", Values.plain(percent), "status", Values.plain(status));
            core.putAll(mapOf(more));
            boolean isFinal = percent >= 100 || status != null && FINAL.matcher(status).matches();
            return record("progress", core, "context", null, isFinal, ids(of, place()));
        });
    }

    /** How far a job is, 0 to 100. */
    public boolean logProgress(String jobId, double percent, String status) {
        return logProgress(jobId, percent, status, null);
    }

    /** cpu in percent, memory in MB, disk and network in MB since the last record; any other numbers besides. */
    public boolean logResource(Map<String, ?> values) {
        return safely(false, () -> {
            Map<String, Object> core = new LinkedHashMap<>(mapOf(values));
            core.values().removeIf(value -> value == null);
            return record("resource", core, "context", null, false, null);
        });
    }

    /**
     * This process's processor time in percent since it was last asked, and its memory in MB; the first time it only begins
     * to count.
     */
    public boolean sampleResources() {
        return safely(false, () -> {
            double cpuS = ProcessHandle.current().info().totalCpuDuration().map(all -> all.toNanos() / 1e9).orElse(0.0);
            double nowS = Link.nowS();
            double[] before = sampled;
            sampled = new double[] {cpuS, nowS};
            if (before == null || nowS <= before[1]) return true;
            Map<String, Object> core = fields("cpu", Math.round(1000 * (cpuS - before[0]) / (nowS - before[1])) / 10.0,
                    "memory", Math.round(memoryMb() * 10) / 10.0, "per", "process", "pid", ProcessHandle.current().pid());
            return record("resource", core, "context", null, false, null);
        });
    }

    /** What the process holds; where the system does not tell, what the heap does. */
    private static double memoryMb() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmRSS:")) return Double.parseDouble(line.replaceAll("\\D", "")) / 1024;
            }
        } catch (IOException none) {
            // Not Linux.
        }
        return (Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory()) / 1048576.0;
    }

    /** Begins a span, a child of the one open in this thread; its id, 16 hexadecimal digits. */
    public String startSpan(String name) {
        return startSpan(name, null, null);
    }

    /** The same, a child of {@code parent}, or of the span of another process that {@code traceparent} names; may be null. */
    public String startSpan(String name, String parent, String traceparent) {
        return safely(NO_SPAN, () -> {
            Open above;
            List<String> outer = new ArrayList<>();
            synchronized (lock) {
                above = parent == null ? null : spans.get(parent);
                for (String id : around.get()) if (spans.containsKey(id)) outer.add(id);
            }
            String[] found = above == null ? traceparentOf(traceparent) : new String[] {above.trace, above.id};
            String[] place = found == null ? place() : found;
            Open span = new Open(place[0].isEmpty() ? newId(16) : place[0], outer);
            Map<String, Object> core = fields("name", name == null ? "" : Values.text(name));
            if (!place[1].isEmpty()) core.put("parent_span_id", place[1]);
            Map<String, Object> start = fields("phase", "start");
            start.putAll(core);
            record("span", start, "attributes", null, false, ids(isJobOver ? null : job, new String[] {span.trace, span.id}));
            core.put("start_us", nowUs());
            span.core = core;
            synchronized (lock) {
                if (spans.size() >= MAX_OPEN_SPANS) spans.remove(spans.keySet().iterator().next());
                spans.put(span.id, span);
            }
            List<String> inner = new ArrayList<>(List.of(span.id));
            inner.addAll(outer);
            around.set(inner);
            return span.id;
        });
    }

    /** Ends a span. One that is not open is counted, and nothing else. */
    public boolean endSpan(String spanId, String status) {
        return endSpan(spanId, status, null, null);
    }

    /** The same, with what explains the status, and attributes; either may be null. */
    public boolean endSpan(String spanId, String status, String message, Map<String, ?> attributes) {
        return safely(false, () -> {
            Open span;
            synchronized (lock) {
                span = spanId == null ? null : spans.remove(spanId);
                if (span == null) unknownSpans++;
                // A service's next span may start before setContext says for which job; its start must not name the last.
                else isJobOver = spans.isEmpty() && !Objects.equals(job, envJob);
            }
            if (span == null) return false;
            Map<String, Object> core = fields("phase", "end");
            core.putAll(span.core);
            core.put("duration_us", Math.max(0, (System.nanoTime() - span.startNs) / 1000));
            core.put("status", status == null ? "success" : Values.text(status));
            if (message != null) core.put("status_message", Values.text(message));
            List<String> here = around.get();
            if (!here.isEmpty() && here.get(0).equals(span.id)) around.set(span.outer);
            return record("span", core, "attributes", attributes, true, ids(job, new String[] {span.trace, span.id}));
        });
    }

    /** A span for try-with-resources; say {@link Span#fail} where it went wrong, else it succeeds. */
    public Span span(String name) {
        return new Span(this, startSpan(name));
    }

    /** Calls {@code work} in a span of its own; an exception is recorded and goes on, unchanged. */
    public <T> T inSpan(String name, Callable<T> work) throws Exception {
        try (Span span = span(name)) {
            try {
                return work.call();
            } catch (Throwable error) {
                span.fail(Values.text(error));
                throw error;
            }
        }
    }

    /** {@code work} with the span that is open here open around it, for another thread. */
    public Runnable wrap(Runnable work) {
        List<String> here = around.get();
        return () -> {
            List<String> before = around.get();
            around.set(here);
            try {
                work.run();
            } finally {
                around.set(before);
            }
        };
    }

    /** What goes with every record from now on; null takes it out. job_id and trace_id are special. */
    public boolean setContext(String key, Object value) {
        return safely(false, () -> {
            String name = Values.text(key);
            if (name.equals("job_id")) {
                job = value == null ? envJob : Values.text(value);
                isJobOver = false;
            } else if (name.equals("trace_id")) {
                String id = value == null ? "" : Values.text(value).replace("-", "").toLowerCase(Locale.ROOT);
                if (value != null && !id.matches("(?!0{32})[0-9a-f]{32}")) return false;
                trace = id;
            } else synchronized (lock) {
                Map<String, Object> next = new TreeMap<>(context);
                if (value == null) next.remove(name);
                else if (!next.containsKey(name) && next.size() >= MAX_CONTEXT_KEYS) return false;
                else next.put(name, Values.plain(value));
                context = next;
            }
            return true;
        });
    }

    /** Takes up a trace for what is outside of spans; null goes back to what the process inherited. */
    public boolean continueTrace(String traceparent) {
        String[] found = traceparent == null ? inherited : traceparentOf(traceparent);
        if (found != null) remote = found;
        return found != null;
    }

    /** W3C Trace Context of the open span, for queue items and headers; null outside of spans. */
    public String traceparent() {
        String[] place = place();
        return place[1].isEmpty() ? null : "00-" + place[0] + "-" + place[1] + "-01";
    }

    /**
     * Adds to the environment of a child process, as {@link ProcessBuilder#environment()} gives it, what the child needs to
     * continue the trace and the job. One that takes nothing stays as it is.
     */
    public void childEnv(Map<String, String> env) {
        if (disabled || env == null) return;
        try {
            env.put("MONITORING_HOST", host);
            env.put("MONITORING_PORT", String.valueOf(port));
            if (traceparent() != null) env.put("TRACEPARENT", traceparent());
            if (job != null) env.put("MONITORING_JOB_ID", job);
        } catch (RuntimeException readOnly) {
            notice("the environment of a child takes no variables: " + readOnly);
        }
    }

    /** Whether the kernel has everything, with ack whether the sidecar has acknowledged it, within so many seconds. */
    public boolean flush(double timeoutS) {
        return flush(timeoutS, Double.POSITIVE_INFINITY);
    }

    /** Ends open spans as abandoned, flushes, closes. Gives up after 0.2 s without a sidecar; idempotent. */
    @Override
    public void close() {
        finish();
        synchronized (lock) {
            if (!closed && !disabled) {
                if (!ack.isEmpty() && link.ask(control("bye"))) link.drain();
                link.end();
            }
            closed = true;
        }
        Monitoring.forget(this);
    }

    /** accepted = sent + queued + the sum of dropped; besides queuedBytes, connected, connects, unknownSpans. */
    public Map<String, Object> stats() {
        if (disabled) return fields("accepted", 0L, "sent", 0L, "queued", 0L, "dropped", fields());
        synchronized (lock) {
            return fields("accepted", link.accepted, "sent", link.sent, "queued", (long) link.queued(), "dropped",
                    new LinkedHashMap<>(link.dropped), "queuedBytes", link.queuedBytes, "connected", link.up, "connects",
                    link.connects, "unknownSpans", unknownSpans);
        }
    }

    boolean isClosed() {
        synchronized (lock) {
            return closed;
        }
    }

    /** Ends open spans and empties the queue; at the end of the process, too. */
    void finish() {
        List<String> open;
        synchronized (lock) {
            if (closed || disabled) return;
            open = new ArrayList<>(spans.keySet());
        }
        for (int at = open.size() - 1; at >= 0; at--) endSpan(open.get(at), "abandoned");
        if (!flush(CLOSE_S, ABSENT_S)) notice(link.queued() + " records could not be delivered");
    }

    private boolean flush(double timeoutS, double absentS) {
        if (disabled) return true;
        double startS = Link.nowS();
        boolean asked = false;
        for (;;) {
            synchronized (lock) {
                if (link.triedS + 0.1 < startS && link.triedS < startS) link.nextS = Math.min(link.nextS, startS);
                link.drain();
                if (!asked && !ack.isEmpty() && link.queued() > 0) {
                    asked = link.ask(control("ping"));
                    link.drain();
                }
                if (link.queued() == 0) return true;
                double passedS = Link.nowS() - startS;
                if (passedS >= timeoutS || !link.up && passedS >= absentS) return false;
            }
            Link.sleep(2);
            if (Thread.currentThread().isInterrupted()) return false;
        }
    }

    /** Runs {@code work} so that none of it reaches the host. A record logged while one is made is counted, not sent. */
    private <T> T safely(T otherwise, Callable<T> work) {
        if (disabled) return otherwise;
        boolean[] isBusy = busy.get();
        if (isBusy[0]) {
            drop("encode");
            return otherwise;
        }
        isBusy[0] = true;
        try {
            return work.call();
        } catch (Throwable error) {
            drop("encode");
            return otherwise;
        } finally {
            isBusy[0] = false;
        }
    }

    private boolean drop(String why) {
        synchronized (lock) {
            return link.drop(why);
        }
    }

    /** One frame: the envelope, the members of its type, and the context merged with what the call gave. */
    private boolean record(String type, Map<String, Object> core, String slot, Map<?, ?> given, boolean important,
            Map<String, Object> ids) {
        Map<String, Object> extra = new TreeMap<>(context);
        if (given != null) {
            Map<String, Object> fields = mapOf(given);
            extra.putAll(fields);
            if (ids == null && fields.get("job_id") != null) ids = ids(Values.text(fields.get("job_id")), place());
        }
        if (ids == null) ids = ids(job, place());
        if (beforeSend != null) {
            Map<String, Object> data = new LinkedHashMap<>(core);
            data.put(slot, extra);
            Map<String, Object> edited = beforeSend.apply(fields("type", type, "data", data));
            if (edited == null) return true;
            core = new LinkedHashMap<>();
            for (Map.Entry<?, ?> one : ((Map<?, ?>) edited.get("data")).entrySet()) {
                core.put(Values.text(one.getKey()), Values.plain(one.getValue()));
            }
            Object edits = core.remove(slot);
            extra = mapOf(edits instanceof Map ? (Map<?, ?>) edits : fields());
        }
        Map<String, Object> loss;
        boolean kept;
        synchronized (lock) {
            if (closed) return link.drop("closed");
            byte[] frame = frame(type, ids, core, slot, extra);
            if (frame.length > Values.MAX_RECORD_BYTES) frame = frame(type, ids, core, slot, fields("_truncated", true));
            if (frame.length > Values.MAX_RECORD_BYTES) return link.drop("oversize");
            kept = link.offer(frame, important);
            if (link.queued() > 0 && helper == null) startHelper();
            loss = link.loss;
            link.loss = null;
        }
        if (loss != null) record("sdk", fields("dropped", loss), "context", null, false, null);
        return kept;
    }

    private byte[] frame(String type, Map<String, Object> ids, Map<String, Object> core, String slot, Map<String, Object> extra) {
        if (extra.size() > Values.MAX_KEYS) extra = mapOf(extra);
        if (!extra.isEmpty()) core.put(slot, extra);
        Map<String, Object> record = envelope(type);
        record.putAll(ids);
        record.put("data", core);
        if (!ack.isEmpty()) record.put("seq", link.seq + 1);
        return encode(record);
    }

    private byte[] encode(Map<String, Object> record) {
        synchronized (lock) {
            return isMsgpack ? Msgpack.pack(record, buffer) : Json.line(record, buffer);
        }
    }

    private Map<String, Object> envelope(String type) {
        long us = nowUs();
        synchronized (lock) {
            if (us / 1_000_000 != second) {
                second = us / 1_000_000;
                stamp = Instant.ofEpochSecond(second).toString().substring(0, 19);
            }
            String ms = String.valueOf(1000 + us / 1000 % 1000).substring(1);
            return fields("source", source, "timestamp", stamp + "." + ms + "Z", "ts_us", us, "type", type);
        }
    }

    private byte[] control(String type) {
        Map<String, Object> message = envelope(type);
        message.put("data", fields());
        return encode(message);
    }

    /** What a connection begins with whose client has a token to show, or wants to hear of its records. */
    private byte[] hello() {
        Map<String, Object> data = fields("v", 1L, "sdk", "java/" + VERSION, "pid", ProcessHandle.current().pid());
        if (!ack.isEmpty()) data.putAll(fields("session", session, "ack", ack));
        if (!token.isEmpty()) data.put("token", token);
        Map<String, Object> message = envelope("hello");
        message.put("data", data);
        return encode(message);
    }

    /** Drains what is backed up, and ends when nothing is. */
    private void startHelper() {
        helper = new Thread(() -> {
            for (;;) {
                Link.sleep(50);
                synchronized (lock) {
                    if (!closed) link.drain();
                    if (closed || link.queued() == 0 || Thread.currentThread().isInterrupted()) {
                        helper = null;
                        return;
                    }
                }
            }
        }, "monitoring-sdk");
        helper.setDaemon(true);
        helper.start();
    }

    /** Trace and span: those open in this thread, else of setContext, else what was inherited; "" where there is none. */
    private String[] place() {
        synchronized (lock) {
            for (String id : around.get()) {
                Open span = spans.get(id);
                if (span != null) return new String[] {span.trace, span.id};
            }
        }
        return trace.isEmpty() ? remote : new String[] {trace, ""};
    }

    private static Map<String, Object> ids(String job, String[] place) {
        Map<String, Object> ids = new LinkedHashMap<>();
        if (!place[0].isEmpty()) ids.put("trace_id", place[0]);
        if (!place[1].isEmpty()) ids.put("span_id", place[1]);
        if (job != null) ids.put("job_id", job);
        return ids;
    }

    private void notice(String text) {
        if (quiet) return;
        try {
            byte[] line = ("monitoring-sdk[" + source + "]: " + text + "\n").getBytes(StandardCharsets.UTF_8);
            new FileOutputStream(FileDescriptor.err).write(line);
        } catch (IOException ignored) {
            // Nobody reads it.
        }
    }

    /** Members by name, at most 128; one that says what it is where the map cannot be read, as it changes meanwhile. */
    @SuppressWarnings("unchecked")
    private static Map<String, Object> mapOf(Map<?, ?> values) {
        if (values == null) return new TreeMap<>();
        Object own = Values.plain(values);
        return own instanceof Map ? (Map<String, Object>) own : fields("value", own);
    }

    private static Map<String, Object> fields(Object... pairs) {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int at = 0; at < pairs.length; at += 2) fields.put((String) pairs[at], pairs[at + 1]);
        return fields;
    }

    private static int rankOf(String level) {
        return RANKS.getOrDefault(level.toLowerCase(Locale.ROOT), 3);
    }

    private static String[] traceparentOf(String text) {
        Matcher found = TRACEPARENT.matcher(text == null ? "" : text.trim().toLowerCase(Locale.ROOT));
        return found.matches() ? new String[] {found.group(1), found.group(2)} : null;
    }

    private static String printable(String name) {
        String clean = name.replaceAll("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]", "?");
        return clean.isEmpty() ? "java" : clean.substring(0, Math.min(128, clean.length()));
    }

    private static String orElse(String value, String otherwise) {
        return value == null || value.isEmpty() ? otherwise : value;
    }

    private static long nowUs() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000 + now.getNano() / 1000;
    }

    /** Hexadecimal digits of the system's random source, never all zero. */
    private static String newId(int bytes) {
        byte[] id = new byte[bytes];
        do RANDOM.nextBytes(id);
        while (Arrays.equals(id, new byte[bytes]));
        StringBuilder out = new StringBuilder();
        for (byte one : id) out.append(Character.forDigit(one >> 4 & 15, 16)).append(Character.forDigit(one & 15, 16));
        return out.toString();
    }
}
