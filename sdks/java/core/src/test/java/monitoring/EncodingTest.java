package monitoring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Time;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.Collections;
import java.util.Date;
import java.util.GregorianCalendar;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.TimeZone;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.DoubleAdder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Values on the wire, in NDJSON and in MessagePack, and their limits. */
class EncodingTest {
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

    /** How a value arrives in a context. */
    private String sent(Object value) {
        int before = sidecar.lines().size();
        client.logEvent("info", "m", Collections.singletonMap("v", value));
        String line = sidecar.lines(before + 1).get(before);
        return line.substring(line.indexOf("\"v\":") + 4, line.length() - 3);
    }

    @Test
    void valuesArriveAsWhatTheyAre() {
        assertEquals("[1,-5,9007199254740992,\"9007199254740993\",\"-9223372036854775808\",\"123456789012345678901\",0.5,3,1.0E-7]",
                sent(List.of(1, (short) -5, 1L << 53, (1L << 53) + 1, Long.MIN_VALUE, new BigInteger("123456789012345678901"), 0.5f, 3.0,
                        new BigDecimal("1e-7"))));
        assertEquals("[\"NaN\",\"Infinity\",\"-Infinity\",true,null]",
                sent(Arrays.asList(Double.NaN, Double.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, true, null)));
        assertEquals("[\"2025-10-20T10:30:45Z\",\"2025-10-20T10:30:45.120Z\"]",
                sent(List.of(Instant.parse("2025-10-20T10:30:45Z"), new Date(1760956245120L))));
        assertEquals("[\"base64:AP8=\",[1,2],\"x\",null]",
                sent(Arrays.asList(new byte[] {0, -1}, new int[] {1, 2}, Optional.of("x"), Optional.empty())));
        assertEquals("{\"1\":{},\"b\":[]}", sent(Map.of("b", List.of(), 1, Map.of())));
    }

    @Test
    void pathsAndWhatADatabaseGivesArriveAsTheyRead() {
        assertEquals("[\"/data/orders.csv\",\"orders.csv\"]", sent(List.of(Path.of("/data/orders.csv"), Path.of("orders.csv"))));
        assertEquals("[\"2026-01-02\",\"10:30:45\",\"1970-01-01T00:00:00Z\"]",
                sent(List.of(java.sql.Date.valueOf("2026-01-02"), Time.valueOf("10:30:45"), new Timestamp(0))));
        assertEquals("[1.1,-0.2]", sent(List.of(1.1f, -0.2f)));
    }

    @Test
    void buffersCalendarsAndWhatMayBeThereArriveAsWhatTheyAre() {
        ByteBuffer buffer = ByteBuffer.wrap(new byte[] {7, 0, -1}).position(1);
        Calendar calendar = new GregorianCalendar(TimeZone.getTimeZone("Europe/Berlin"));
        calendar.setTimeInMillis(1760956245120L);
        assertEquals("[\"base64:AP8=\",\"2025-10-20T10:30:45.120Z\",\"2025-10-20T10:30:45Z\"]",
                sent(List.of(buffer, calendar, ZonedDateTime.parse("2025-10-20T12:30:45+02:00[Europe/Berlin]"))));
        assertEquals(1, buffer.position(), "it is not read");
        assertEquals("[1,0.5,\"9223372036854775807\",null,null,null]", sent(Arrays.asList(OptionalInt.of(1), OptionalDouble.of(0.5),
                OptionalLong.of(Long.MAX_VALUE), OptionalInt.empty(), OptionalDouble.empty(), OptionalLong.empty())));
        DoubleAdder sum = new DoubleAdder();
        sum.add(2.5);
        assertEquals("[2.5,7]", sent(List.of(sum, new AtomicLong(7))));
    }

    @Test
    void textIsWellFormedOnOneLine() {
        assertEquals("\"\\\"\\\\\\n\\r\\t\\u0001\\u001fä\u007f\u0080\u07ff\u0800€\uffff😀\"", sent("\"\\\n\r\t\u0001\u001fä\u007f\u0080\u07ff\u0800€\uffff😀"));
        assertEquals("\"a\uFFFDb\"", sent("a\uD800b"));
        assertEquals("\"\uFFFD\uFFFDx\"", sent("\uDC00\uD800x"));
    }

    @Test
    void limits() {
        assertEquals(8192 + 2, sent("x".repeat(10_000)).length());
        assertEquals(8190 + 2, sent("€".repeat(5000)).getBytes(StandardCharsets.UTF_8).length, "cut at a character");
        assertEquals(256, sent(Collections.nCopies(300, 1)).split(",").length);
        Map<String, Object> wide = new LinkedHashMap<>();
        for (int nth = 0; nth < 200; nth++) wide.put("k" + nth, nth);
        assertEquals(128, sent(wide).split(",").length);
        Object deep = 1;
        for (int nth = 0; nth < 12; nth++) deep = List.of(deep);
        assertEquals("[[[[[[[\"<depth>\"]]]]]]]", sent(deep));
        Map<String, Object> cycle = new HashMap<>();
        cycle.put("self", cycle);
        assertEquals("{\"self\":\"<cyclic>\"}", sent(cycle));
    }

    @Test
    void aRecordIsAtMost64KiB() {
        Map<String, Object> large = new HashMap<>();
        for (int nth = 0; nth < 20; nth++) large.put("k" + nth, "x".repeat(8000));
        assertTrue(client.logEvent("info", "m", large));
        assertTrue(sidecar.lines(1).get(0).endsWith("\"context\":{\"_truncated\":true}}}"), "its context is left out");
        assertTrue(client.logProgress("job", 1, "running", Map.of("message", "fits")));
        assertFalse(client.logProgress("job", 1, "running", large), "what has no context is dropped");
        assertEquals(1L, ((Map<?, ?>) client.stats().get("dropped")).get("oversize"));
    }

    @Test
    void whatIsSharedWidelyIsNoMoreThanARecord() {
        List<Object> shared = Collections.nCopies(200, "x");
        for (int nth = 0; nth < 6; nth++) shared = Collections.nCopies(200, (Object) shared);
        assertTrue(client.logEvent("info", "m", Map.of("v", shared)));
        assertTrue(sidecar.lines(1).get(0).endsWith("\"context\":{\"_truncated\":true}}}"));
    }

    @Test
    void manySmallValuesAreSentWholeWhereTheyFit() throws IOException {
        List<Object> lists = Collections.nCopies(150, Collections.nCopies(200, Optional.of(1)));
        assertEquals(30_000, sent(lists).split(",").length, "as JSON");
        String record = packed("m", Map.of("v", Collections.nCopies(200, Collections.nCopies(200, 1))));
        assertEquals(40_000, record.substring(record.indexOf("\"v\":")).split(",").length, "as MessagePack");
    }

    @Test
    void whatCannotBeReadIsNoFault() {
        Object throwing = new Object() {
            @Override
            public String toString() {
                throw new IllegalStateException("no text");
            }
        };
        Map<String, Object> broken = new HashMap<>() {
            private static final long serialVersionUID = 1;

            @Override
            public java.util.Set<Map.Entry<String, Object>> entrySet() {
                throw new StackOverflowError();
            }
        };
        assertEquals("\"<unprintable>\"", sent(throwing));
        assertEquals("\"<unprintable>\"", sent(broken));
        assertTrue(client.logEvent("info", "m", broken));
        client.setContext(null, throwing);
        client.logResource(null);
        client.startSpan(null, "no such", "none");
        client.endSpan("no such", null, null, broken);
        try (Client tagged = new Client(sidecar.options().tags(Map.of("a", throwing)))) {
            assertTrue(tagged.logEvent("info", "tagged"));
        }
        Monitoring.init(sidecar.options().tags(broken)).close();
        assertTrue(client.logEvent("info", "it lives"));
    }

    @Test
    void whatLogsWhileItIsReadIsCountedAndNotSent() {
        Object logging = new Object() {
            @Override
            public String toString() {
                client.logEvent("info", "inner");
                return "logged";
            }
        };
        assertEquals("\"logged\"", sent(logging));
        assertEquals(1L, ((Map<?, ?>) client.stats().get("dropped")).get("encode"));
    }

    @Test
    void aMetricIsANumber() {
        assertFalse(client.logMetric("m", Double.NaN, null));
        assertFalse(client.logMetric("m", Double.NEGATIVE_INFINITY, null));
        assertTrue(client.logMetric("m", 1e300, null));
        assertEquals(2L, ((Map<?, ?>) client.stats().get("dropped")).get("encode"));
        assertTrue(sidecar.lines(1).get(0).contains("\"value\":1.0E300"), sidecar.lines().get(0));
    }

    @Test
    void argumentsAreReadDuringTheCall() {
        Map<String, Object> given = new HashMap<>(Map.of("n", 1));
        client.setContext("kept", given);
        client.logEvent("info", "first", given);
        given.put("n", 2);
        client.logEvent("info", "second");
        assertTrue(sidecar.lines(2).get(1).endsWith("\"context\":{\"kept\":{\"n\":1}}}}"), sidecar.lines().get(1));
        assertEquals(Map.of("n", 2), given);
    }

    @Test
    void messagePackSaysTheSame() throws IOException {
        Map<String, Object> context = new LinkedHashMap<>();
        for (long number : new long[] {0, 127, 128, 255, 256, 65_535, 65_536, 1L << 32, 1L << 53, -1, -32, -33, -128, -129, -32_768, -32_769, -1L << 31, -1L << 40}) {
            context.put("n" + number, number);
        }
        for (int length : new int[] {0, 31, 32, 255, 256, 8192}) context.put("s" + length, "ü".repeat(length / 2) + "x".repeat(length % 2));
        context.put("mixed", Arrays.asList(0.5, true, false, null, Collections.nCopies(20, 1), Map.of("a", "😀")));
        client.logEvent("info", "both", context);
        List<String> wanted = sidecar.lines(1);
        assertEquals(wanted, List.of(packed("both", context)));
    }

    /** How an event arrives in MessagePack, as JSON. */
    private static String packed(String message, Map<String, Object> context) throws IOException {
        try (Sidecar other = new Sidecar(); Client packing = new Client(other.options().protocol("msgpack"))) {
            packing.logEvent("info", message, context);
            Sidecar.until(() -> !unpacked(other).isEmpty(), () -> "nothing arrived");
            return Sidecar.masked(unpacked(other));
        }
    }

    /** The first record, as JSON; "" while it is not whole. */
    private static String unpacked(Sidecar sidecar) {
        try {
            return text(new DataInputStream(new ByteArrayInputStream(sidecar.bytes())));
        } catch (IOException torn) {
            return "";
        }
    }

    private static String text(DataInputStream in) throws IOException {
        int type = in.readUnsignedByte();
        if (type < 0x80) return String.valueOf(type);
        if (type >= 0xe0) return String.valueOf((byte) type);
        if (type < 0x90) return map(in, type & 15);
        if (type < 0xa0) return list(in, type & 15);
        if (type < 0xc0) return string(in, type & 31);
        switch (type) {
            case 0xc0: return "null";
            case 0xc2: return "false";
            case 0xc3: return "true";
            case 0xcb: return String.valueOf(in.readDouble());
            case 0xcc: return String.valueOf(in.readUnsignedByte());
            case 0xcd: return String.valueOf(in.readUnsignedShort());
            case 0xce: return String.valueOf(in.readInt() & 0xffffffffL);
            case 0xcf: case 0xd3: return String.valueOf(in.readLong());
            case 0xd0: return String.valueOf(in.readByte());
            case 0xd1: return String.valueOf(in.readShort());
            case 0xd2: return String.valueOf(in.readInt());
            case 0xd9: return string(in, in.readUnsignedByte());
            case 0xda: return string(in, in.readUnsignedShort());
            case 0xdc: return list(in, in.readUnsignedShort());
            case 0xde: return map(in, in.readUnsignedShort());
            default: throw new AssertionError("type " + type);
        }
    }

    private static String string(DataInputStream in, int length) throws IOException {
        byte[] bytes = new byte[length];
        in.readFully(bytes);
        return '"' + new String(bytes, StandardCharsets.UTF_8) + '"';
    }

    private static String list(DataInputStream in, int length) throws IOException {
        List<String> items = new ArrayList<>();
        for (int nth = 0; nth < length; nth++) items.add(text(in));
        return '[' + String.join(",", items) + ']';
    }

    private static String map(DataInputStream in, int length) throws IOException {
        List<String> members = new ArrayList<>();
        for (int nth = 0; nth < length; nth++) members.add(text(in) + ':' + text(in));
        return '{' + String.join(",", members) + '}';
    }
}
