package monitoring;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Options of a client: {@code new Options().source("db-loader").ack("disk")}. What is not given comes from the
 * environment ({@code MONITORING_SOURCE}, {@code _HOST}, {@code _PORT}, {@code _LEVEL}, {@code _BUFFER_BYTES},
 * {@code _TAGS}, {@code _JOB_ID}, {@code _PROTOCOL}, {@code _DISABLED}, {@code _QUIET}, {@code _ACK}, {@code _TOKEN}),
 * else is the default.
 */
public final class Options {
    final Map<String, Object> given = new LinkedHashMap<>();
    UnaryOperator<Map<String, Object>> beforeSend;

    private Options set(String name, Object value) {
        if (value != null) given.put(name, value);
        return this;
    }

    /** Name of the service. */
    public Options source(String name) { return set("SOURCE", name); }
    /** Default 127.0.0.1; a name is looked up once. */
    public Options tcpHost(String host) { return set("HOST", host); }
    /** Default 17000. */
    public Options tcpPort(int port) { return set("PORT", port); }
    /** Events below it are left out; default trace. */
    public Options level(String level) { return set("LEVEL", level); }
    /** Size of the backlog; default 1 MiB. */
    public Options bufferBytes(int bytes) { return set("BUFFER_BYTES", bytes); }
    /** Context from the start. */
    public Options tags(Map<String, ?> tags) { return set("TAGS", Values.plain(tags)); }
    /** Job from the start. */
    public Options jobId(String job) { return set("JOB_ID", job); }
    /** ndjson, the default, or msgpack. */
    public Options protocol(String protocol) { return set("PROTOCOL", protocol); }
    /** No socket, every call returns at once; also {@code OTEL_SDK_DISABLED}. */
    public Options disabled(boolean disabled) { return set("DISABLED", disabled); }
    /** Nothing on stderr. */
    public Options quiet(boolean quiet) { return set("QUIET", quiet); }
    /** Each connection is told of on stderr. */
    public Options debug(boolean debug) { return set("DEBUG", debug); }
    /** memory or disk: records are kept until the sidecar acknowledges them. */
    public Options ack(String ack) { return set("ACK", ack); }
    /** What the sidecar wants to hear from its clients. */
    public Options token(String token) { return set("TOKEN", token); }
    /** A function of {@code {type, data}} that returns it, edited, or null to leave the record out. */
    public Options beforeSend(UnaryOperator<Map<String, Object>> edit) {
        beforeSend = edit;
        return this;
    }

    /** The option as text; a blank one counts as not given. */
    String text(String name, String otherwise) {
        Object value = given.get(name);
        String found = value == null ? System.getenv("MONITORING_" + name) : Values.text(value);
        return found == null || found.isEmpty() ? otherwise : Values.text(found);
    }

    boolean isOn(String name) {
        return !text(name, "").toLowerCase(Locale.ROOT).matches("0|false|no|off|");
    }

    int whole(String name, int most, int otherwise) {
        String text = text(name, "");
        return text.matches("[1-9][0-9]{0,8}") && Integer.parseInt(text) <= most ? Integer.parseInt(text) : otherwise;
    }

    @SuppressWarnings("unchecked")
    Map<String, Object> tags() {
        Object value = given.get("TAGS");
        if (value instanceof Map) return (Map<String, Object>) value;
        Map<String, Object> tags = new LinkedHashMap<>();
        for (String pair : text("TAGS", "").split(",")) {
            int equals = pair.indexOf('=');
            if (equals > 0) tags.put(pair.substring(0, equals), pair.substring(equals + 1));
        }
        return tags;
    }
}
