package monitoring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** {@code java.util.logging} as events. */
class LogHandlerTest {
    @Test
    void recordsBecomeEvents() throws Exception {
        Logger logger = Logger.getLogger("app.db");
        try (Sidecar sidecar = new Sidecar(); Client client = sidecar.client()) {
            LogHandler handler = new LogHandler(client);
            logger.setUseParentHandlers(false);
            logger.setLevel(Level.ALL);
            logger.addHandler(handler);
            handler.setLevel(Level.FINER);
            logger.log(Level.WARNING, "slow: {0} ms", 250);
            logger.log(Level.SEVERE, "lost", new IllegalStateException("no route"));
            logger.finest("below the handler's level");
            for (Level level : List.of(Level.CONFIG, Level.FINE, Level.FINER)) logger.log(level, "m");
            handler.publish(null);
            handler.flush();
            List<String> lines = sidecar.lines(5);
            assertTrue(lines.get(0).endsWith("\"data\":{\"level\":\"warn\",\"message\":\"slow: 250 ms\",\"context\":{\"logger\":\"app.db\"}}}"), lines.get(0));
            assertTrue(lines.get(1).contains("\"context\":{\"exception\":{\"message\":\"no route\","
                    + "\"stack\":\"java.lang.IllegalStateException: no route\\n\\tat monitoring.LogHandlerTest.recordsBecomeEvents("), lines.get(1));
            assertTrue(lines.get(1).endsWith("\"type\":\"java.lang.IllegalStateException\"},\"logger\":\"app.db\"}}}"), lines.get(1));
            assertEquals(List.of("warn", "error", "info", "debug", "trace"),
                    lines.stream().map(line -> line.replaceAll(".*\"level\":\"(\\w+)\".*", "$1")).collect(Collectors.toList()));
            handler.publish(new LogRecord(Level.INFO, null));
            assertTrue(sidecar.lines(6).get(5).contains("\"message\":\"\",\"context\":{\"logger\":null}"), sidecar.lines().get(5));
            logger.log(Level.SEVERE, "unreadable", new IllegalStateException() {
                @Override
                public String getMessage() {
                    throw new UnsupportedOperationException();
                }
            });
            assertTrue(sidecar.lines(7).get(6).contains("\"context\":{\"exception\":{\"type\":\"monitoring.LogHandlerTest$1\"}"), sidecar.lines().get(6));
            logger.removeHandler(handler);
        }
    }
}
