package monitoring.logback;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import monitoring.Client;
import monitoring.Monitoring;
import monitoring.Options;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;
import org.slf4j.MarkerFactory;

/** Events of a real Logback, configured by its XML, on a real socket. */
class MonitoringAppenderTest {
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    private final LogbackMDCAdapter mdc = new LogbackMDCAdapter();
    private final LoggerContext context = new LoggerContext();
    private ServerSocket sidecar;
    private Thread reading;
    private Logger logger;

    @BeforeEach
    void start() throws Exception {
        sidecar = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
        reading = new Thread(() -> {
            try (BufferedReader in = new BufferedReader(new InputStreamReader(sidecar.accept().getInputStream(), StandardCharsets.UTF_8))) {
                for (String line = in.readLine(); line != null; line = in.readLine()) lines.add(line);
            } catch (IOException closed) {
                // The test is over.
            }
        });
        reading.setDaemon(true);
        reading.start();
        context.setMDCAdapter(mdc);
        JoranConfigurator configurator = new JoranConfigurator();
        configurator.setContext(context);
        String xml = "<configuration><appender name='MONITORING' class='monitoring.logback.MonitoringAppender'>"
                + "<source>orders</source><host>127.0.0.1</host><port>" + sidecar.getLocalPort() + "</port><quiet>true</quiet>"
                + "</appender><root level='trace'><appender-ref ref='MONITORING'/></root></configuration>";
        configurator.doConfigure(new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8)));
        logger = context.getLogger("app.db");
    }

    @AfterEach
    void stop() throws IOException {
        context.stop();
        sidecar.close();
    }

    private String next() throws InterruptedException {
        String line = lines.poll(20, TimeUnit.SECONDS);
        assertTrue(line != null, "nothing arrived: " + context.getStatusManager().getCopyOfStatusList());
        return line.replaceAll("\"timestamp\":\"[^\"]*\",\"ts_us\":\\d{16}", "\"timestamp\":0");
    }

    @Test
    void anEventHasItsLevelMessageLoggerAndThread() throws Exception {
        logger.warn("slow: {} ms", 250);
        assertEquals("{\"source\":\"orders\",\"timestamp\":0,\"type\":\"event\",\"data\":{\"level\":\"warn\",\"message\":\"slow: 250 ms\","
                + "\"context\":{\"logger\":\"app.db\",\"thread\":\"" + Thread.currentThread().getName() + "\"}}}", next());
        logger.error("e");
        logger.info("i");
        logger.debug("d");
        logger.trace("t");
        for (String level : new String[] {"error", "info", "debug", "trace"}) {
            assertTrue(next().contains("\"data\":{\"level\":\"" + level + "\""), level);
        }
    }

    @Test
    void mdcPairsAndMarkersAreItsContext() throws Exception {
        mdc.put("job_id", "job-7");
        mdc.put("user", "u-1");
        logger.atInfo().addMarker(MarkerFactory.getMarker("AUDIT")).addMarker(MarkerFactory.getMarker("SLOW")).addKeyValue("rows", 7).log("saved");
        mdc.clear();
        String line = next();
        assertTrue(line.contains("\"type\":\"event\",\"job_id\":\"job-7\",\"data\""), line);
        assertTrue(line.contains("\"context\":{\"job_id\":\"job-7\",\"logger\":\"app.db\",\"markers\":[\"AUDIT\",\"SLOW\"],\"rows\":7,"), line);
        assertTrue(line.endsWith("\"user\":\"u-1\"}}}"), line);
    }

    @Test
    void anExceptionHasItsTypeMessageAndStack() throws Exception {
        logger.error("lost", new IllegalStateException("no route", new IOException("refused")));
        String line = next();
        assertTrue(line.contains("\"exception\":{\"message\":\"no route\",\"stack\":\"java.lang.IllegalStateException: no route\\n"), line);
        assertTrue(line.contains("Caused by: java.io.IOException: refused\\n"), line);
        assertTrue(line.contains("\"type\":\"java.lang.IllegalStateException\"}"), line);
    }

    @Test
    void anArgumentThatLogsRunsInNoCircle() throws Exception {
        Object logging = new Object() {
            @Override
            public String toString() {
                logger.info("inner {}", this);
                return "logged";
            }
        };
        logger.info("outer {}", logging);
        assertTrue(next().contains("\"message\":\"outer logged\""));
        logger.info("after");
        assertTrue(next().contains("\"message\":\"after\""));
    }

    @Test
    void aValueThatThrowsIsNoFault() throws Exception {
        Object throwing = new Object() {
            @Override
            public String toString() {
                throw new IllegalStateException("no text");
            }
        };
        logger.atInfo().addKeyValue("broken", throwing).log("pair");
        assertTrue(next().contains("\"broken\":\"<unprintable>\""));
    }

    @Test
    void theConnectionEndsWithTheLastThatHasTheClient() throws Exception {
        Options same = new Options().source("orders").tcpHost("127.0.0.1").tcpPort(sidecar.getLocalPort()).quiet(true);
        Client program = Monitoring.init(same);
        logger.info("by Logback");
        next();
        context.stop();
        program.logEvent("info", "by the program");
        assertTrue(next().contains("\"message\":\"by the program\""));
        assertTrue(reading.isAlive());
        Monitoring.release(program);
        reading.join(20_000);
        assertFalse(reading.isAlive());
    }

    @Test
    void itLogsWhileThereIsNoSidecar() throws Exception {
        logger.info("first");
        next();
        sidecar.close();
        for (int nth = 0; nth < 100; nth++) logger.info("nobody listens");
    }
}
