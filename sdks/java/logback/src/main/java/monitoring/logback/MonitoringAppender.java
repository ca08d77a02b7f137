package monitoring.logback;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.UnsynchronizedAppenderBase;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import monitoring.Client;
import monitoring.Monitoring;
import monitoring.Options;
import org.slf4j.Marker;
import org.slf4j.event.KeyValuePair;

/**
 * Logback's events as events of the sidecar. What the configuration leaves out comes from the environment, as for any
 * client: {@code MONITORING_SOURCE}, {@code MONITORING_HOST} and so on.
 *
 * <pre>{@code
 * <appender name="MONITORING" class="monitoring.logback.MonitoringAppender">
 *   <source>orders</source>
 * </appender>
 * }</pre>
 *
 * An event's context holds its MDC and its key-value pairs by their own names, and over them {@code logger},
 * {@code thread}, and where there are any {@code markers} (their names) and {@code exception}: its {@code type},
 * {@code message} and {@code stack}, up to 8 KiB. {@code job_id} of the MDC is the job of the record. The client neither
 * logs nor waits; an event that is logged while another is read, by the same thread, is passed over.
 */
public final class MonitoringAppender extends UnsynchronizedAppenderBase<ILoggingEvent> {
    private final Options options = new Options();
    private Client client;
    private boolean isShared;

    /** An appender for {@code logback.xml}; Logback sets what stands there, and starts it. */
    public MonitoringAppender() {}

    /** Sends by a client that the application has already; the other properties do not count then. */
    public void setClient(Client client) {
        this.client = client;
    }

    /** Name of the service. */
    public void setSource(String source) {
        options.source(source);
    }

    /** Address of the sidecar; default 127.0.0.1. */
    public void setHost(String host) {
        options.tcpHost(host);
    }

    /** Its port; default 17000. */
    public void setPort(int port) {
        options.tcpPort(port);
    }

    /** ndjson, the default, or msgpack. */
    public void setProtocol(String protocol) {
        options.protocol(protocol);
    }

    /** memory or disk: events are kept until the sidecar acknowledges them. */
    public void setAck(String ack) {
        options.ack(ack);
    }

    /** What the sidecar wants to hear from its clients. */
    public void setToken(String token) {
        options.token(token);
    }

    /** Size of the backlog in bytes; default 1 MiB. */
    public void setBufferBytes(int bytes) {
        options.bufferBytes(bytes);
    }

    /** Nothing on stderr. */
    public void setQuiet(boolean quiet) {
        options.quiet(quiet);
    }

    @Override
    public void start() {
        isShared |= client == null;
        if (isShared && !isStarted()) client = Monitoring.init(options);
        super.start();
    }

    /** Sends what it has, for a second at most. The client closes, unless the application or another appender has it, too. */
    @Override
    public void stop() {
        if (isStarted()) {
            client.flush(1);
            if (isShared) Monitoring.release(client);
        }
        super.stop();
    }

    @Override
    protected void append(ILoggingEvent event) {
        client.logEvent(levelOf(event.getLevel()), event.getFormattedMessage(), contextOf(event));
    }

    private static Map<String, Object> contextOf(ILoggingEvent event) {
        Map<String, Object> context = new LinkedHashMap<>(event.getMDCPropertyMap());
        List<KeyValuePair> pairs = event.getKeyValuePairs();
        if (pairs != null) for (KeyValuePair pair : pairs) context.put(pair.key, pair.value);
        context.put("logger", event.getLoggerName());
        context.put("thread", event.getThreadName());
        List<Marker> markers = event.getMarkerList();
        if (markers != null && !markers.isEmpty()) {
            List<String> names = new ArrayList<>();
            for (Marker marker : markers) names.add(marker.getName());
            context.put("markers", names);
        }
        IThrowableProxy thrown = event.getThrowableProxy();
        if (thrown != null) {
            Map<String, Object> exception = new LinkedHashMap<>();
            exception.put("type", thrown.getClassName());
            exception.put("message", thrown.getMessage());
            exception.put("stack", ThrowableProxyUtil.asString(thrown));
            context.put("exception", exception);
        }
        return context;
    }

    /** ERROR to TRACE have the same names. */
    private static String levelOf(Level level) {
        return level.toString().toLowerCase(java.util.Locale.ROOT);
    }
}
