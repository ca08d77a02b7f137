package monitoring;

import java.io.PrintWriter;
import java.io.StringWriter;
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
        if (record.getThrown() != null) context.put("exception", exceptionOf(record.getThrown()));
        client.logEvent(levelOf(record.getLevel()), formatter.formatMessage(record), context);
    }

    /** Its type, and what else it tells without failing itself. */
    private static Map<String, Object> exceptionOf(Throwable thrown) {
        Map<String, Object> exception = new LinkedHashMap<>();
        exception.put("type", thrown.getClass().getName());
        try {
            exception.put("message", thrown.getMessage());
            StringWriter stack = new StringWriter();
            thrown.printStackTrace(new PrintWriter(stack));
            exception.put("stack", stack.toString());
        } catch (Throwable unreadable) {
            // Code of the program's own, which must not fail where it logs.
        }
        return exception;
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
