package monitoring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What each call puts on the wire. */
class ApiTest {
    private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
    private static final String PARENT = "00-" + TRACE + "-00f067aa0ba902b7-01";
    private Sidecar sidecar;
    private Client client;

    @BeforeEach
    void start() throws IOException {
        sidecar = new Sidecar();
        client = sidecar.client();
    }

    @AfterEach
    void stop() throws IOException {
        client.close();
        sidecar.close();
    }

    private static String record(String type, String data) {
        return "{\"source\":\"test\",\"timestamp\":0,\"type\":\"" + type + "\",\"data\":" + data + "}";
    }

    @Test
    void eventsMetricsProgressAndResources() {
        assertTrue(client.logEvent("warn", "grüße", Map.of("rows", 7, "file", "a.csv")));
        assertTrue(client.logEvent(null, null));
        assertTrue(client.logMetric("rows", 10_000, "rows", Map.of("table", "orders")));
        assertTrue(client.logMetric("ratio", 0.25, null));
        assertTrue(client.logResource(Map.of("memory", 310, "cpu", 12.5)));
        assertEquals(List.of(
                record("event", "{\"level\":\"warn\",\"message\":\"grüße\",\"context\":{\"file\":\"a.csv\",\"rows\":7}}"),
                record("event", "{\"level\":\"info\",\"message\":\"\"}"),
                record("metric", "{\"name\":\"rows\",\"value\":10000,\"unit\":\"rows\",\"tags\":{\"table\":\"orders\"}}"),
                record("metric", "{\"name\":\"ratio\",\"value\":0.25,\"unit\":null}"),
                record("resource", "{\"cpu\":12.5,\"memory\":310}")), sidecar.lines(5));
    }

    @Test
    void progressNamesItsJob() {
        client.logProgress("job-1", 50, "running", Map.of("message", "half", "total", 10));
        client.setContext("job_id", "job-2");
        client.logProgress(null, 100, "completed");
        List<String> lines = sidecar.lines(2);
        assertEquals("{\"source\":\"test\",\"timestamp\":0,\"type\":\"progress\",\"job_id\":\"job-1\",\"data\":{\"job_id\":\"job-1\","
                + "\"percent\":50,\"status\":\"running\",\"message\":\"half\",\"total\":10}}", lines.get(0));
        assertTrue(lines.get(1).contains("\"data\":{\"job_id\":\"job-2\",\"percent\":100,\"status\":\"completed\"}"), lines.get(1));
    }

    @Test
    void contextGoesWithEveryRecordUntilItIsTakenOut() {
        client.setContext("region", "eu");
        client.logEvent("info", "one", Map.of("n", 1));
        client.logEvent("info", "own", Map.of("region", "us"));
        client.setContext("region", null);
        client.logEvent("info", "none");
        List<String> lines = sidecar.lines(3);
        assertTrue(lines.get(0).endsWith("\"context\":{\"n\":1,\"region\":\"eu\"}}}"), lines.get(0));
        assertTrue(lines.get(1).endsWith("\"context\":{\"region\":\"us\"}}}"), lines.get(1));
        assertTrue(lines.get(2).endsWith("\"message\":\"none\"}}"), lines.get(2));
    }

    @Test
    void theContextHolds64Keys() {
        for (int nth = 0; nth < 64; nth++) assertTrue(client.setContext("k" + nth, nth));
        assertFalse(client.setContext("one more", 1));
        assertTrue(client.setContext("k7", "changed"));
    }

    @Test
    void spansNestAndEndOnce() {
        String outer = client.startSpan("outer");
        String inner = client.startSpan("inner");
        client.logEvent("info", "within");
        assertTrue(client.endSpan(inner, "success"));
        assertTrue(client.endSpan(outer, "error", "no disk", Map.of("rows", 3)));
        assertFalse(client.endSpan(outer, "success"));
        assertFalse(client.endSpan(null, null));
        assertEquals(2L, client.stats().get("unknownSpans"));
        List<String> lines = sidecar.lines(5);
        assertTrue(lines.get(1).contains("\"parent_span_id\":\"" + outer + "\""), lines.get(1));
        assertTrue(lines.get(2).contains("\"span_id\":\"" + inner + "\""), lines.get(2));
        assertTrue(lines.get(4).contains("\"data\":{\"phase\":\"end\",\"name\":\"outer\",\"start_us\":0,\"duration_us\":0,"
                + "\"status\":\"error\",\"status_message\":\"no disk\",\"attributes\":{\"rows\":3}}"), lines.get(4));
    }

    @Test
    void aScopeEndsItsSpanAndAnExceptionGoesOn() throws Exception {
        IllegalStateException thrown = new IllegalStateException("it broke");
        assertSame(thrown, assertThrows(IllegalStateException.class, () -> client.inSpan("work", () -> {
            throw thrown;
        })));
        assertEquals(7, client.inSpan("sum", () -> 7));
        try (Span span = client.span("scoped")) {
            assertEquals(16, span.id().length());
            span.fail("cancelled");
        }
        List<String> lines = sidecar.lines(6);
        assertTrue(lines.get(1).contains("\"status\":\"error\",\"status_message\":\"java.lang.IllegalStateException: it broke\""), lines.get(1));
        assertTrue(lines.get(3).contains("\"status\":\"success\""), lines.get(3));
        assertTrue(lines.get(5).contains("\"status_message\":\"cancelled\""), lines.get(5));
        IllegalStateException unreadable = new IllegalStateException() {
            @Override
            public String toString() {
                throw new UnsupportedOperationException();
            }
        };
        assertSame(unreadable, assertThrows(RuntimeException.class, () -> client.inSpan("work", () -> {
            throw unreadable;
        })));
        assertTrue(sidecar.lines(8).get(7).contains("\"status\":\"error\",\"status_message\":\"<unprintable>\""), sidecar.lines().get(7));
    }

    @Test
    void aTraceGoesOnInChildProcesses() {
        assertNull(client.traceparent());
        assertTrue(client.continueTrace(PARENT));
        assertFalse(client.continueTrace("00-0-0-0"));
        client.setContext("job_id", "job-9");
        Map<String, String> env = new HashMap<>();
        try (Span span = client.span("calling")) {
            assertEquals("00-" + TRACE + "-" + span.id() + "-01", client.traceparent());
            client.childEnv(env);
            assertEquals(Map.of("TRACEPARENT", client.traceparent(), "MONITORING_JOB_ID", "job-9", "MONITORING_HOST", "127.0.0.1",
                    "MONITORING_PORT", String.valueOf(sidecar.port())), env);
        }
        assertTrue(sidecar.lines(2).get(0).contains("\"parent_span_id\":\"00f067aa0ba902b7\""), sidecar.lines().get(0));
        client.childEnv(null);
        client.childEnv(Map.of());
    }

    @Test
    void anIdIsNeverTheSame() {
        assertNotEquals(client.startSpan("a"), client.startSpan("b"));
    }

    @Test
    void beforeSendEditsAndLeavesOut() throws IOException {
        try (Client editing = new Client(sidecar.options().beforeSend(record -> {
            @SuppressWarnings("unchecked")
            Map<String, Object> data = (Map<String, Object>) record.get("data");
            if ("secret".equals(data.get("message"))) return null;
            if ("fault".equals(data.get("message"))) throw new IllegalStateException("before_send");
            data.put("message", "edited");
            return record;
        }))) {
            assertTrue(editing.logEvent("info", "secret"));
            assertFalse(editing.logEvent("info", "fault"));
            assertTrue(editing.logEvent("info", "plain", Map.of("n", 1)));
            assertEquals(List.of(record("event", "{\"level\":\"info\",\"message\":\"edited\",\"context\":{\"n\":1}}")), sidecar.lines(1));
        }
    }

    @Test
    void levelsBelowTheOptionsAreLeftOut() {
        try (Client choosy = new Client(sidecar.options().level("WARNING"))) {
            assertTrue(choosy.logEvent("Info", "below"));
            assertTrue(choosy.logEvent("CRITICAL", "above"));
            assertEquals(1, sidecar.lines(1).size());
            assertEquals(1L, choosy.stats().get("accepted"));
        }
    }

    @Test
    void theSameOptionsAreTheSameClientUntilItIsClosed() {
        Client first = Monitoring.init(sidecar.options());
        assertSame(first, Monitoring.init(sidecar.options()));
        assertNotSame(first, Monitoring.init(sidecar.options().jobId("other")));
        first.close();
        Client second = Monitoring.init(sidecar.options());
        assertNotSame(first, second);
        assertTrue(second.logEvent("info", "again"));
        second.close();
        Monitoring.init((Options) null).close();
    }

    @Test
    void aDisabledClientHasNoSocket() {
        try (Client off = new Client(sidecar.options().disabled(true))) {
            int before = sidecar.connections();
            assertFalse(off.logEvent("info", "nothing"));
            assertEquals("0000000000000000", off.startSpan("nothing"));
            assertTrue(off.flush(1));
            assertEquals(0L, off.stats().get("accepted"));
            assertEquals(before, sidecar.connections());
        }
    }

    @Test
    void ownUseOfResources() {
        client.sampleResources();
        Link.sleep(20);
        client.sampleResources();
        assertTrue(sidecar.lines(1).get(0).matches(".*\"data\":\\{\"cpu\":[0-9.]+,\"memory\":[0-9.]+,\"per\":\"process\",\"pid\":0}}"), sidecar.lines().get(0));
    }
}
