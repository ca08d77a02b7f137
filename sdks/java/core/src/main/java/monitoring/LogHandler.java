package monitoring;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.SimpleFormatter;

/** Log records of {@code java.util.logging} as events: {@code Logger.getLogger("").addHandler(new LogHandler(client))}. */
public final class LogHandler extends Handler {
    private final Client client;
    private final SimpleFormatter formatter = new SimpleFormatter();

    /** Sends by this client. */
    public LogHandler(Client client) {
        this.client = client;
    }

    @Override
    public void publish(LogRecord record) {
        if (record == null || !isLoggable(record)) return;
        Map<String, Object> context = new LinkedHashMap<>();
        context.put("logger", record.getLoggerName());
        Throwable thrown = record.getThrown();
        if (thrown != null) {
            Map<String, Object> exception = new LinkedHashMap<>();
            exception.put("type", thrown.getClass().getName());
            exception.put("message", thrown.getMessage());
            context.put("exception", exception);
        }
        client.logEvent(levelOf(record.getLevel()), formatter.formatMessage(record), context);
    }

    private static String levelOf(Level level) {
        int value = level.intValue();
        if (value >= Level.SEVERE.intValue()) return "error";
        if (value >= Level.WARNING.intValue()) return "warn";
        if (value >= Level.CONFIG.intValue()) return "info";
        return value >= Level.FINE.intValue() ? "debug" : "trace";
    }

    @Override
    public void flush() {
        client.flush(1);
    }

    @Override
    public void close() {
        flush();
    }
}
