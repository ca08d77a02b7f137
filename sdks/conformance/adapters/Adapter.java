import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.logging.Level;
import java.util.logging.Logger;
import monitoring.Client;
import monitoring.LogHandler;
import monitoring.Monitoring;
import monitoring.Options;
import monitoring.Span;

/** Calls the Java SDK as it is told: a command a line on stdin, an answer a line on stdout; see ../README.md. */
public final class Adapter {
    private static final Map<String, Object> CONTEXT = map("a", 1, "b", "two", "c", 0.5);
    private static Client m = Monitoring.init(new Options().disabled(true));
    private static Random random = new Random();

    private static Map<String, Object> map(Object... pairs) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int at = 0; at < pairs.length; at += 2) map.put(String.valueOf(pairs[at]), pairs[at + 1]);
        return map;
    }

    private static final Object THROWING = new Object() {
        @Override
        public String toString() {
            throw new IllegalStateException("no text");
        }
    };
    private static final Object EMPTY = new StringBuilder();
    private static final Object LOGGING = new Object() {
        @Override
        public String toString() {
            m.logEvent("info", "inner");
            return "logged";
        }
    };

    private static String text(String token) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int at = 0; at < token.length(); at++) {
            boolean isCoded = token.charAt(at) == '%';
            bytes.write(isCoded ? Integer.parseInt(token.substring(at + 1, at + 3), 16) : token.charAt(at));
            if (isCoded) at += 2;
        }
        return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
    }

    private static Object whole(String text) {
        long number = text.length() < 19 ? Long.parseLong(text) : 0;
        if (text.length() >= 19) return new java.math.BigInteger(text);
        return (int) number == number ? (Object) (int) number : (Object) number;
    }

    private static byte[] bytes(String hex) {
        byte[] bytes = new byte[hex.length() / 2];
        for (int at = 0; at < bytes.length; at++) bytes[at] = (byte) Integer.parseInt(hex.substring(2 * at, 2 * at + 2), 16);
        return bytes;
    }

    private static double real(String text) {
        return text.equals("nan") ? Double.NaN : Double.parseDouble(text.replace("inf", "Infinity"));
    }

    private static Object value(ArrayDeque<String> tokens) {
        String token = tokens.remove();
        String rest = token.substring(1);
        switch (token.charAt(0)) {
            case '[': case '{': {
                List<Object> items = new ArrayList<>();
                while (!"]}".contains(tokens.peek())) items.add(value(tokens));
                tokens.remove();
                return token.equals("[") ? items : map(items.toArray());
            }
            case 't': return true;
            case 'f': return false;
            case 'i': return whole(rest);
            case 'd': return real(rest);
            case 's': return text(rest);
            case 'x': return bytes(rest);
            case 'T': return Instant.ofEpochSecond(Long.parseLong(rest));
            case 'u': return "a\ud800b";
            case '!': return THROWING;
            case '@': return LOGGING;
            case 'e': return EMPTY;
            case '?': return new Thread();
            case '*': {
                Object shared = 1;
                for (int level = 0; level < 4; level++) shared = Collections.nCopies(100, shared);
                return shared;
            }
            case 'c': {
                Map<String, Object> cycle = new HashMap<>();
                cycle.put("self", cycle);
                return cycle;
            }
            default: return null;
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> beforeSend(Map<String, Object> record) {
        Map<String, Object> data = (Map<String, Object>) record.get("data");
        Object message = data.get("message");
        if ("secret".equals(message)) return null;
        if ("fault".equals(message)) throw new IllegalStateException("before_send");
        data.put("message", "edited");
        return record;
    }

    private static Options options(Map<String, Object> given) {
        Options options = new Options();
        for (Map.Entry<String, Object> one : given.entrySet()) {
            Object value = one.getValue();
            switch (one.getKey()) {
                case "source": options.source((String) value); break;
                case "host": options.tcpHost((String) value); break;
                case "port": options.tcpPort((Integer) value); break;
                case "level": options.level((String) value); break;
                case "buffer_bytes": options.bufferBytes((Integer) value); break;
                case "tags": options.tags(fields(value)); break;
                case "job_id": options.jobId((String) value); break;
                case "protocol": options.protocol((String) value); break;
                case "disabled": options.disabled((Boolean) value); break;
                case "quiet": options.quiet((Boolean) value); break;
                case "ack": options.ack((String) value); break;
                case "token": options.token((String) value); break;
                case "before_send": options.beforeSend(Adapter::beforeSend); break;
                default: break;
            }
        }
        return options;
    }

    private static Map<String, Object> init(Object given) {
        m = Monitoring.init(options(fields(given)));
        return map("same", m == Monitoring.init(options(fields(given))) ? 1 : 0);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> fields(Object value) {
        return value == null ? new LinkedHashMap<>() : value instanceof Map ? (Map<String, Object>) value : map("value", value);
    }

    private static double number(Object value) {
        return value instanceof Number ? ((Number) value).doubleValue() : value instanceof String ? new Values((String) value).number : Double.NaN;
    }

    private static final class Values {
        final double number;

        Values(String text) {
            double found;
            try {
                found = Double.parseDouble(text);
            } catch (NumberFormatException error) {
                found = Double.NaN;
            }
            number = found;
        }
    }

    private static String string(Object value) {
        try {
            return value == null ? null : value.toString();
        } catch (RuntimeException error) {
            return null;
        }
    }

    private static Map<String, Object> scoped(String name, String how) {
        try {
            m.inSpan(name, () -> {
                if (how.equals("throw")) throw new IllegalStateException("it broke");
                return null;
            });
        } catch (Exception error) {
            return map("rethrown", error.getMessage());
        }
        try (Span span = m.span(name)) {
            return map("id", span.id());
        }
    }

    private static Map<String, Object> burst(int count, String level) {
        double[] times = new double[count];
        for (int at = 0; at < count; at++) {
            long start = System.nanoTime();
            m.logEvent(level, "burst", CONTEXT);
            times[at] = (System.nanoTime() - start) / 1e3;
        }
        Arrays.sort(times);
        return map("p50", times[count / 2], "p999", times[(int) (count * 0.999)], "max", times[count - 1]);
    }

    private static Map<String, Object> die(String message, String how) throws Exception {
        m.logEvent("info", message);
        if (how.equals("kill")) new ProcessBuilder("kill", "-9", String.valueOf(ProcessHandle.current().pid())).start().waitFor();
        if (how.equals("exit")) System.exit(0);
        throw new IllegalStateException("uncaught");
    }

    private static void produce(int nth, int count) {
        for (int n = 0; n < count; n++) m.logEvent("info", "c" + nth, map("n", n));
    }

    private static Map<String, Object> threads(List<Runnable> works) throws InterruptedException {
        List<Thread> running = new ArrayList<>();
        for (Runnable work : works) running.add(new Thread(work));
        for (Thread thread : running) thread.start();
        for (Thread thread : running) thread.join();
        return map();
    }

    private static void sibling(String name) {
        try (Span span = m.span(name)) {
            for (int nth = 0; nth < 3; nth++) {
                sleep(0.01);
                m.logEvent("info", name);
            }
        }
    }

    private static void sleep(double seconds) {
        try {
            Thread.sleep((long) (seconds * 1000));
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    private static Map<String, Object> state() {
        Map<String, String> properties = new TreeMap<>();
        System.getProperties().forEach((key, value) -> properties.put(String.valueOf(key), String.valueOf(value)));
        return map("state", new TreeMap<>(System.getenv()) + " " + properties + " " + Locale.getDefault() + " "
                + Thread.getDefaultUncaughtExceptionHandler());
    }

    private static Map<String, Object> mutated(Map<String, Object> given) {
        String before = given.toString();
        m.logEvent("info", "mutated", given);
        m.setContext("kept", given);
        boolean same = before.equals(given.toString());
        given.put("later", 1);
        m.logEvent("info", "after");
        return map("same", same ? 1 : 0);
    }

    private static Map<String, Object> bridge(String message) {
        Logger root = Logger.getLogger("");
        root.setLevel(Level.ALL);
        root.addHandler(new LogHandler(m));
        Logger.getLogger("app").warning(message);
        return map();
    }

    private static Map<String, Object> runChild(List<Object> argv) throws Exception {
        List<String> command = new ArrayList<>();
        for (Object one : argv) command.add((String) one);
        ProcessBuilder child = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
        m.childEnv(child.environment());
        return map("status", child.start().waitFor());
    }

    private static Map<String, Object> childEnv() {
        Map<String, String> env = new HashMap<>(System.getenv());
        m.childEnv(env);
        env.keySet().removeIf(key -> !key.matches("(MONITORING|TRACEPARENT).*"));
        return new LinkedHashMap<>(env);
    }

    private static Map<String, Object> stats() {
        Map<String, Object> stats = new LinkedHashMap<>(m.stats());
        stats.putAll(fields(stats.remove("dropped")));
        stats.put("queued_bytes", stats.remove("queuedBytes"));
        stats.put("unknown_spans", stats.remove("unknownSpans"));
        stats.put("connected", Boolean.TRUE.equals(stats.get("connected")) ? 1 : 0);
        return stats;
    }

    private static Map<String, Object> kept(boolean result) {
        return map("kept", result ? 1 : 0);
    }

    private static Map<String, Object> run(String name, List<Object> given) throws Exception {
        Function<Integer, Object> arg = at -> at < given.size() ? given.get(at) : null;
        String first = string(arg.apply(0));
        String second = string(arg.apply(1));
        switch (name) {
            case "init": return init(arg.apply(0));
            case "event": return kept(m.logEvent(first, second, arg.apply(2) == null ? null : fields(arg.apply(2))));
            case "metric": return kept(m.logMetric(first, number(arg.apply(1)), string(arg.apply(2)), fields(arg.apply(3))));
            case "progress": return kept(m.logProgress(first, number(arg.apply(1)), string(arg.apply(2)), fields(arg.apply(3))));
            case "resource": return kept(m.logResource(fields(arg.apply(0))));
            case "set_context": return kept(m.setContext(first, arg.apply(1)));
            case "start": return map("id", m.startSpan(first, second, string(arg.apply(2))));
            case "end": return kept(m.endSpan(first, second, string(arg.apply(2)), fields(arg.apply(3))));
            case "scoped": return scoped(first, second);
            case "continue_trace": return kept(m.continueTrace(first));
            case "traceparent": return map("value", m.traceparent() == null ? "" : m.traceparent());
            case "child_env": return childEnv();
            case "run_child": return runChild(given);
            case "flush": return map("done", m.flush(number(arg.apply(0))) ? 1 : 0);
            case "close": m.close(); return map("done", 1);
            case "stats": return stats();
            case "burst": return burst((Integer) arg.apply(0), second == null ? "info" : second);
            case "die": return die(first, second);
            case "threads": {
                List<Runnable> works = new ArrayList<>();
                int count = (Integer) arg.apply(1);
                for (int nth = 0; nth < (Integer) arg.apply(0); nth++) {
                    int number = nth;
                    works.add(() -> produce(number, count));
                }
                return threads(works);
            }
            case "siblings": return threads(List.of(() -> sibling("a"), () -> sibling("b"), () -> sibling("c"), () -> sibling("d")));
            case "state": return state();
            case "mutated": return mutated(fields(arg.apply(0)));
            case "bridge": return bridge(first);
            case "seed": random = new Random((Integer) arg.apply(0)); return map();
            case "random": return map("value", random.nextDouble());
            case "sample": return kept(m.sampleResources());
            case "sleep": sleep(number(arg.apply(0))); return map();
            default: return map();
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream output = System.out;
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            ArrayDeque<String> tokens = new ArrayDeque<>(Arrays.asList(line.split(" ")));
            String name = tokens.remove();
            List<Object> given = new ArrayList<>();
            while (!tokens.isEmpty()) given.add(value(tokens));
            long start = System.nanoTime();
            Map<String, Object> answer = run(name, given);
            answer.put("ms", (System.nanoTime() - start) / 1e6);
            StringBuilder text = new StringBuilder("ok");
            for (Map.Entry<String, Object> one : answer.entrySet()) {
                String value = URLEncoder.encode(String.valueOf(one.getValue()), StandardCharsets.UTF_8).replace("+", "%20");
                text.append(' ').append(one.getKey()).append('=').append(value);
            }
            output.print(text.append('\n'));
            output.flush();
        }
    }
}
