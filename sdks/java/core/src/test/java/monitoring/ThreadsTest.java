package monitoring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.ref.WeakReference;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Many threads, one client. */
class ThreadsTest {
    private static void run(List<Runnable> works) throws InterruptedException {
        List<Thread> threads = new ArrayList<>();
        for (Runnable work : works) threads.add(new Thread(work));
        for (Thread thread : threads) thread.start();
        for (Thread thread : threads) thread.join();
    }

    @Test
    void framesAreWholeAndInOrderOfTheirThreads() throws Exception {
        int threads = 8;
        int each = 2_000;
        try (Sidecar sidecar = new Sidecar(); Client client = new Client(sidecar.options().bufferBytes(1 << 26))) {
            List<Runnable> works = new ArrayList<>();
            for (int nth = 0; nth < threads; nth++) {
                String name = "t" + nth;
                works.add(() -> {
                    for (int n = 0; n < each; n++) client.logEvent("info", name, Map.of("n", n));
                });
            }
            run(works);
            assertTrue(client.flush(20));
            Pattern whole = Pattern.compile("\\{\"source\":\"test\",\"timestamp\":0,\"type\":\"event\",\"data\":"
                    + "\\{\"level\":\"info\",\"message\":\"(t\\d)\",\"context\":\\{\"n\":(\\d+)}}}");
            Map<String, Integer> next = new HashMap<>();
            for (String line : sidecar.lines(threads * each)) {
                Matcher found = whole.matcher(line);
                assertTrue(found.matches(), line);
                assertEquals(next.merge(found.group(1), 1, Integer::sum) - 1, Integer.parseInt(found.group(2)), line);
            }
            assertEquals((long) threads * each, client.stats().get("sent"));
        }
    }

    @Test
    void aThreadsSpanIsItsOwnUnlessItIsWrapped() throws Exception {
        try (Sidecar sidecar = new Sidecar(); Client client = sidecar.client(); Span span = client.span("of the caller")) {
            String[] seen = new String[2];
            CountDownLatch done = new CountDownLatch(2);
            Runnable look = () -> {
                seen[(int) done.getCount() - 1] = client.traceparent();
                done.countDown();
            };
            run(List.of(look));
            run(List.of(client.wrap(look)));
            assertEquals(null, seen[1]);
            assertEquals(client.traceparent(), seen[0]);
            run(List.of(() -> {
                String own = client.startSpan("of another");
                assertNotEquals(span.id(), own);
            }));
            assertTrue(client.traceparent().contains(span.id()));
        }
    }

    @Test
    void aSpanThatAnotherThreadEndedIsAroundNothingAnyMore() throws Exception {
        try (Sidecar sidecar = new Sidecar(); Client client = sidecar.client()) {
            String outer = client.startSpan("outer");
            String middle = client.startSpan("middle");
            String inner = client.startSpan("inner");
            run(List.of(() -> client.endSpan(inner, "success")));
            assertTrue(client.traceparent().contains(middle));
            run(List.of(() -> client.endSpan(middle, "success")));
            assertTrue(client.traceparent().contains(outer));
            String next = client.startSpan("next");
            assertTrue(client.traceparent().contains(next));
            client.endSpan(next, "success");
            assertTrue(client.traceparent().contains(outer));
            client.endSpan(outer, "success");
            assertEquals(null, client.traceparent());
        }
    }

    @Test
    void anInterruptedThreadSendsAndStaysInterrupted() throws Exception {
        try (Sidecar sidecar = new Sidecar(); Client client = sidecar.client()) {
            client.logEvent("info", "before");
            Thread.currentThread().interrupt();
            assertTrue(client.logEvent("info", "interrupted"));
            assertTrue(Thread.interrupted());
            assertTrue(client.logEvent("info", "after"));
            assertEquals(3, sidecar.lines(3).size());
            assertEquals(1, client.stats().get("connects"), "an interrupt closes no connection");
        }
    }

    @Test
    void theThreadOfTheBacklogEndsWithIt() throws Exception {
        try (Sidecar sidecar = Sidecar.absent(); Client client = sidecar.client()) {
            assertFalse(isThere("monitoring-sdk"));
            client.logEvent("info", "waits");
            assertTrue(isThere("monitoring-sdk"));
            sidecar.start();
            Sidecar.until(() -> !isThere("monitoring-sdk"), () -> "it runs on");
            assertEquals(1, sidecar.lines(1).size());
        }
    }

    @Test
    void nothingKeepsTheLoaderOfClientsThatAreClosed() throws Exception {
        ExecutorService pool = Executors.newSingleThreadExecutor();
        try (Sidecar sidecar = new Sidecar()) {
            WeakReference<ClassLoader> loader = use(sidecar.port(), pool);
            Sidecar.until(() -> {
                System.gc();
                return loader.get() == null;
            }, () -> "it is still there");
        } finally {
            pool.shutdown();
        }
    }

    /** A loader, as an application's on a server, whose clients have come and gone; the server's threads stay. */
    private static WeakReference<ClassLoader> use(int port, ExecutorService pool) throws Exception {
        URL classes = Client.class.getProtectionDomain().getCodeSource().getLocation();
        try (URLClassLoader loader = new URLClassLoader(new URL[] {classes}, ClassLoader.getPlatformClassLoader())) {
            Class<?> type = loader.loadClass("monitoring.Options");
            for (int to : new int[] {port, 1}) {
                Object options = type.getConstructor().newInstance();
                type.getMethod("tcpPort", int.class).invoke(options, to);
                type.getMethod("quiet", boolean.class).invoke(options, true);
                Object client = loader.loadClass("monitoring.Monitoring").getMethod("init", type).invoke(null, options);
                Method startSpan = client.getClass().getMethod("startSpan", String.class);
                startSpan.invoke(client, "left open");
                pool.submit(() -> startSpan.invoke(client, "left open in a thread of the server")).get();
                client.getClass().getMethod("close").invoke(client);
            }
            return new WeakReference<>(loader);
        }
    }

    private static boolean isThere(String name) {
        return Thread.getAllStackTraces().keySet().stream().anyMatch(thread -> thread.getName().equals(name));
    }
}
