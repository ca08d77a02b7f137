package monitoring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The connection, the backlog, and their ends. */
class DeliveryTest {
    private static Object dropped(Client client, String reason) {
        return ((Map<?, ?>) client.stats().get("dropped")).get(reason);
    }

    /** Whether what it counts adds up. */
    private static void assertAccounted(Client client) {
        Map<String, Object> stats = client.stats();
        long sum = (long) stats.get("sent") + (long) stats.get("queued");
        for (Object count : ((Map<?, ?>) stats.get("dropped")).values()) sum += (long) count;
        assertEquals(stats.get("accepted"), sum, stats.toString());
    }

    private static List<String> numbers(Sidecar sidecar) {
        return sidecar.lines().stream().filter(line -> line.contains("\"n\":"))
                .map(line -> line.replaceAll(".*\"n\":(\\d+).*", "$1")).collect(Collectors.toList());
    }

    private static List<String> upTo(int count) {
        return IntStream.range(0, count).mapToObj(String::valueOf).collect(Collectors.toList());
    }

    @Test
    void whatWasLoggedWhileTheSidecarWasAwayArrivesInOrder() throws IOException {
        try (Sidecar sidecar = Sidecar.absent(); Client client = sidecar.client()) {
            for (int n = 0; n < 50; n++) assertTrue(client.logEvent("info", "m", Map.of("n", n)));
            assertFalse(client.flush(0.05));
            assertEquals(50L, client.stats().get("queued"));
            sidecar.start();
            // Without a call: it has a thread for the backlog.
            Sidecar.until(() -> numbers(sidecar).size() == 50, () -> sidecar.lines() + " arrived");
            assertEquals(upTo(50), numbers(sidecar));
            assertTrue(client.flush(5));
            assertEquals(1, client.stats().get("connects"));
            assertAccounted(client);
        }
    }

    @Test
    void aLostConnectionIsMadeAgainAndAFrameIsWhole() throws IOException {
        try (Sidecar sidecar = new Sidecar(); Client client = sidecar.client()) {
            client.logEvent("info", "m", Map.of("n", 0));
            sidecar.lines(1);
            sidecar.stop();
            for (int n = 1; n < 20; n++) client.logEvent("info", "m", Map.of("n", n));
            sidecar.start();
            Sidecar.until(() -> client.flush(0.1), () -> "nothing is flushed");
            Sidecar.until(() -> numbers(sidecar).contains("19"), () -> sidecar.lines() + " arrived");
            assertEquals(upTo(20), numbers(sidecar));
            for (String line : sidecar.lines()) assertTrue(line.startsWith("{\"source\"") && line.endsWith("}}"), line);
            assertAccounted(client);
        }
    }

    @Test
    void aSidecarThatDoesNotReadHoldsNobodyUp() throws IOException {
        try (Sidecar sidecar = new Sidecar(); Client client = sidecar.client()) {
            sidecar.deaf(true);
            Map<String, String> large = Map.of("a", "a".repeat(8000), "b", "b".repeat(8000));
            Sidecar.until(() -> {
                for (int n = 0; n < 100; n++) client.logEvent("info", "m", large);
                return !client.flush(0.05);
            }, () -> "the connection takes everything");
            sidecar.deaf(false);
            assertTrue(client.flush(20));
            for (String line : sidecar.lines()) assertTrue(line.startsWith("{\"source\"") && line.endsWith("}}}"), "torn");
            assertAccounted(client);
        }
    }

    @Test
    void theBacklogIsBoundedAndItsLastFifthIsForWhatIsImportant() throws IOException {
        try (Sidecar sidecar = Sidecar.absent(); Client client = new Client(sidecar.options().bufferBytes(10_000))) {
            String span = client.startSpan("early");
            for (int n = 0; n < 200; n++) client.logEvent("info", "ordinary");
            long ordinary = (long) client.stats().get("queuedBytes");
            assertTrue(ordinary > 7_800 && ordinary <= 8_000, "bytes: " + ordinary);
            assertFalse(client.logProgress("job", 50, "running"));
            assertTrue(client.logProgress("job", 100, "completed"));
            assertTrue(client.endSpan(span, "success"));
            for (int n = 0; n < 200; n++) client.logEvent("error", "important");
            long all = (long) client.stats().get("queuedBytes");
            assertTrue(all > 9_800 && all <= 10_000, "bytes: " + all);
            assertFalse(client.logEvent("fatal", "one more"));
            assertTrue((long) dropped(client, "full") > 200);
            assertAccounted(client);
        }
    }

    @Test
    void theLossIsToldOnceItIsOver() throws IOException {
        try (Sidecar sidecar = Sidecar.absent(); Client client = new Client(sidecar.options().bufferBytes(2_000))) {
            for (int n = 0; n < 50; n++) client.logEvent("info", "m", Map.of("n", n));
            Object lost = dropped(client, "full");
            sidecar.start();
            Sidecar.until(() -> client.flush(0.1), () -> "nothing is flushed");
            client.logEvent("info", "again");
            Sidecar.until(() -> sidecar.lines().stream().anyMatch(line -> line.contains("\"type\":\"sdk\"")), () -> sidecar.lines().toString());
            String told = sidecar.lines().stream().filter(line -> line.contains("\"type\":\"sdk\"")).collect(Collectors.joining());
            assertTrue(told.contains("\"dropped\":{\"full\":" + lost + ",\"encode\":0"), told);
            assertAccounted(client);
        }
    }

    @Test
    void closeEndsSpansAndTheConnectionAndMayBeCalledTwice() throws IOException {
        try (Sidecar sidecar = new Sidecar()) {
            Client client = sidecar.client();
            client.startSpan("open");
            client.close();
            client.close();
            List<String> lines = sidecar.lines(2);
            assertTrue(lines.get(1).contains("\"status\":\"abandoned\""), lines.get(1));
            Sidecar.until(sidecar::isEnded, () -> "the connection is open");
            assertFalse(client.logEvent("info", "late"));
            assertEquals(1L, dropped(client, "closed"));
            assertTrue(client.flush(0));
            assertAccounted(client);
        }
    }

    @Test
    void closeWithoutASidecarGivesUp() throws IOException {
        try (Sidecar sidecar = Sidecar.absent()) {
            Client client = sidecar.client();
            client.logEvent("info", "never");
            client.close();
            assertEquals(1L, dropped(client, "closed"));
            assertAccounted(client);
        }
    }

    @Test
    void withAcknowledgementsWhatIsNotAcknowledgedIsSentAgain() throws IOException {
        try (Sidecar sidecar = new Sidecar(); Client client = new Client(sidecar.options().ack("memory").token("secret"))) {
            client.logEvent("info", "m", Map.of("n", 0));
            assertTrue(sidecar.lines(2).get(0).contains("\"type\":\"hello\",\"data\":{\"v\":1,\"sdk\":\"java/0.1.0\",\"pid\":0,"
                    + "\"session\":0,\"ack\":\"memory\",\"token\":\"secret\"}"), sidecar.lines().get(0));
            assertFalse(client.flush(0.05));
            sidecar.stop();
            sidecar.acknowledge();
            sidecar.start();
            client.logEvent("info", "m", Map.of("n", 1));
            Sidecar.until(() -> client.flush(0.1), () -> "nothing is acknowledged: " + sidecar.lines());
            assertEquals(List.of("0", "0", "1"), numbers(sidecar));
            assertEquals(2L, client.stats().get("sent"));
            assertAccounted(client);
        }
    }

    @Test
    void whatARefusedConnectionHadIsCountedAndWhatComesWaitsForAWelcome() throws IOException {
        try (Sidecar sidecar = new Sidecar(); Client client = new Client(sidecar.options().token("old"))) {
            sidecar.refuse(true);
            client.logEvent("info", "refused");
            untilRefused(client, 1);
            client.logEvent("info", "waits");
            int before = sidecar.connections();
            Sidecar.until(() -> !client.flush(0.01) && sidecar.connections() > before + 1, () -> client.stats().toString());
            assertEquals(List.of(0L, 1L, 1L), List.of(client.stats().get("sent"), client.stats().get("queued"), dropped(client, "refused")));
            sidecar.acknowledge();
            sidecar.refuse(false);
            assertTrue(client.flush(20));
            assertEquals(1L, client.stats().get("sent"));
            assertAccounted(client);
            Sidecar.until(() -> sidecar.lines().stream().anyMatch(line -> line.contains("waits")), () -> sidecar.lines().toString());
        }
    }

    @Test
    void aClientWithoutATokenCountsWhatIsRefused() throws IOException {
        try (Sidecar sidecar = new Sidecar(); Client client = sidecar.client()) {
            sidecar.refuse(true);
            for (long n = 1; n < 4; n++) {
                client.logEvent("info", "refused");
                untilRefused(client, n);
            }
            assertEquals(0L, client.stats().get("sent"));
            assertAccounted(client);
        }
    }

    private static void untilRefused(Client client, long count) {
        Sidecar.until(() -> client.flush(0.01) && dropped(client, "refused").equals(count), () -> client.stats().toString());
    }

    @Test
    void theEndOfTheProcessFlushes() throws Exception {
        try (Sidecar sidecar = new Sidecar()) {
            assertTrue(said(Leaving.class, sidecar).contains("IllegalStateException: uncaught"));
            List<String> lines = sidecar.lines(3);
            assertTrue(lines.get(1).contains("last words"), lines.get(1));
            assertTrue(lines.get(2).contains("\"status\":\"abandoned\""), lines.get(2));
        }
    }

    @Test
    void aClientMayBeMadeWhileTheProcessEnds() throws Exception {
        try (Sidecar sidecar = new Sidecar()) {
            assertEquals("", said(Ending.class, sidecar));
            assertTrue(sidecar.lines(1).get(0).contains("in a hook"), sidecar.lines().get(0));
        }
    }

    /** Runs a program to its end; what it said. */
    private static String said(Class<?> program, Sidecar sidecar) throws Exception {
        String classes = String.join(java.io.File.pathSeparator, where(Client.class), where(program));
        Process process = new ProcessBuilder("java", "-cp", classes, program.getName(), String.valueOf(sidecar.port()))
                .redirectErrorStream(true).start();
        return new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    }

    private static String where(Class<?> one) throws java.net.URISyntaxException {
        return java.nio.file.Path.of(one.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
    }

    /** A program that ends by an exception. */
    static final class Leaving {
        public static void main(String[] args) {
            Client client = Monitoring.init(new Options().tcpPort(Integer.parseInt(args[0])));
            client.startSpan("open");
            client.logEvent("info", "last words");
            throw new IllegalStateException("uncaught");
        }
    }

    /** A program that has nothing to tell until it ends. */
    static final class Ending {
        public static void main(String[] args) {
            Runtime.getRuntime().addShutdownHook(new Thread(
                    () -> Monitoring.init(new Options().tcpPort(Integer.parseInt(args[0]))).logEvent("info", "in a hook")));
        }
    }
}
