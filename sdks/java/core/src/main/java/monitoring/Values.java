package monitoring;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.TreeMap;

/** Java values as what JSON can say: bounded, never throwing, arguments left as they are. */
final class Values {
    static final int MAX_RECORD_BYTES = 65_536;
    static final int MAX_TEXT_BYTES = 8192;
    static final int MAX_KEYS = 128;
    private static final int MAX_ITEMS = 256;
    private static final int MAX_DEPTH = 8;
    private static final long MAX_INTEGER = 1L << 53;

    private Values() {}

    /** Text of at most 8 KiB of UTF-8, cut at a character; lone surrogates become U+FFFD. */
    static String text(Object value) {
        String text;
        try {
            text = String.valueOf(value);
        } catch (Throwable error) {
            return "<unprintable>";
        }
        if (text.length() > MAX_TEXT_BYTES) text = text.substring(0, MAX_TEXT_BYTES + 1);
        StringBuilder out = null;
        int bytes = 0;
        for (int at = 0; at < text.length(); ) {
            int code = text.codePointAt(at);
            boolean isLone = code >= 0xD800 && code <= 0xDFFF;
            bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
            if (bytes > MAX_TEXT_BYTES) return out == null ? text.substring(0, at) : out.toString();
            if (isLone && out == null) out = new StringBuilder(text.substring(0, at));
            if (out != null) out.appendCodePoint(isLone ? 0xFFFD : code);
            at += Character.charCount(code);
        }
        return out == null ? text : out.toString();
    }

    /** null, Boolean, Long, Double, String, List or TreeMap. */
    static Object plain(Object value) {
        return plain(value, 0, new Within(null, null));
    }

    /**
     * The containers that a value is in; the outermost holds how many bytes it may still take, counted as no more than it
     * does take: one that is cut off for them, as what is shared may be, makes no record.
     */
    private static final class Within {
        final Object value;
        final Within outer;
        final Within all;
        int room = MAX_RECORD_BYTES;

        Within(Object value, Within outer) {
            this.value = value;
            this.outer = outer;
            all = outer == null ? this : outer.all;
        }

        boolean isFull() {
            return all.room <= 0;
        }

        /** Of an item that is in it, the one byte that each takes at least. */
        Within more() {
            all.room--;
            return this;
        }

        String more(String text) {
            all.room -= text.length();
            return text;
        }
    }

    private static Object plain(Object value, int depth, Within within) {
        if (value == null || value instanceof Boolean) return value;
        if (value instanceof String) return within.more(text(value));
        if (value instanceof Number) return number((Number) value);
        try {
            if (value instanceof byte[]) return within.more("base64:" + base64((byte[]) value));
            if (value instanceof Instant) return iso((Instant) value);
            if (value instanceof Date) return date((Date) value);
            if (value instanceof Optional) return plain(((Optional<?>) value).orElse(null), depth, within);
            // A path is one of paths, the last of which is its own.
            boolean isIterable = value instanceof Iterable && !(value instanceof Path);
            boolean isContainer = value instanceof Map || isIterable || value.getClass().isArray();
            if (!isContainer) return single(value, within);
            for (Within one = within; one != null; one = one.outer) if (one.value == value) return "<cyclic>";
            if (depth >= MAX_DEPTH) return "<depth>";
            return container(value, depth + 1, new Within(value, within));
        } catch (Throwable error) {
            return "<unprintable>";
        }
    }

    /** What is neither a number nor a container, and no text yet. */
    private static Object single(Object value, Within within) {
        if (value instanceof ByteBuffer) return within.more("base64:" + base64(bytes(((ByteBuffer) value).duplicate())));
        if (value instanceof Calendar) return iso(((Calendar) value).toInstant());
        if (value instanceof ZonedDateTime) return iso(((ZonedDateTime) value).toInstant()); // its own text adds a region
        if (value instanceof OptionalInt) return plain(((OptionalInt) value).stream().boxed().findAny().orElse(null));
        if (value instanceof OptionalLong) return plain(((OptionalLong) value).stream().boxed().findAny().orElse(null));
        if (value instanceof OptionalDouble) return plain(((OptionalDouble) value).stream().boxed().findAny().orElse(null));
        return within.more(text(value));
    }

    private static Object container(Object value, int depth, Within within) {
        if (value instanceof Map) {
            Map<String, Object> members = new TreeMap<>();
            int count = 0;
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                if (count++ == MAX_KEYS || within.isFull()) break;
                members.put(within.more(text(entry.getKey())), plain(entry.getValue(), depth, within.more()));
            }
            return members;
        }
        List<Object> items = new ArrayList<>();
        if (value instanceof Iterable) {
            for (Object item : (Iterable<?>) value) {
                if (items.size() == MAX_ITEMS || within.isFull()) break;
                items.add(plain(item, depth, within.more()));
            }
        } else {
            int length = Math.min(MAX_ITEMS, Array.getLength(value));
            for (int at = 0; at < length && !within.isFull(); at++) items.add(plain(Array.get(value, at), depth, within.more()));
        }
        return items;
    }

    private static Object number(Number value) {
        if (value instanceof Double) return real(value.doubleValue());
        if (value instanceof Float) return real(Double.parseDouble(value.toString())); // in no more digits than it has
        if (value instanceof BigDecimal) return real(value.doubleValue());
        if (value instanceof BigInteger && ((BigInteger) value).bitLength() > 62) return text(value);
        long whole = value.longValue();
        if (value.doubleValue() != whole) return real(value.doubleValue()); // one of another library, or a DoubleAdder
        return whole >= -MAX_INTEGER && whole <= MAX_INTEGER ? (Object) whole : Long.toString(whole);
    }

    private static Object real(double value) {
        if (Double.isNaN(value)) return "NaN";
        if (Double.isInfinite(value)) return value > 0 ? "Infinity" : "-Infinity";
        if (value != Math.rint(value) || Math.abs(value) >= 1e21) return value;
        if (Math.abs(value) <= MAX_INTEGER) return (long) value;
        return new BigDecimal(value).toBigInteger().toString();
    }

    /** Those that are left, as many as will be sent. */
    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[Math.min(MAX_TEXT_BYTES, buffer.remaining())];
        buffer.get(bytes);
        return bytes;
    }

    private static String base64(byte[] bytes) {
        byte[] kept = bytes.length > MAX_TEXT_BYTES ? java.util.Arrays.copyOf(bytes, MAX_TEXT_BYTES) : bytes;
        return new String(Base64.getEncoder().encode(kept), StandardCharsets.US_ASCII);
    }

    /** A day, or a time of day, of java.sql has no instant, and reads as ISO 8601 itself. */
    private static String date(Date value) {
        try {
            return iso(value.toInstant());
        } catch (UnsupportedOperationException error) {
            return text(value);
        }
    }

    private static String iso(Instant at) {
        return at.truncatedTo(ChronoUnit.MILLIS).toString();
    }
}
