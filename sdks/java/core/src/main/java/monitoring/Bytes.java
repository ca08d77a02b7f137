package monitoring;

import java.util.Arrays;

/** A buffer that grows, and is used again for the next frame. Not thread-safe. */
final class Bytes {
    private static final int KEPT_BYTES = 1 << 17;
    private byte[] bytes = new byte[1024];
    private int size;

    /** Empty again; one that a record made huge is let go. */
    Bytes clear() {
        if (bytes.length > KEPT_BYTES) bytes = new byte[1024];
        size = 0;
        return this;
    }

    byte[] copy() {
        return Arrays.copyOf(bytes, size);
    }

    private void reserve(int more) {
        if (more > bytes.length - size) bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, size + more));
    }

    Bytes put(int one) {
        reserve(1);
        bytes[size++] = (byte) one;
        return this;
    }

    /** The low {@code count} bytes of a number, the highest first. */
    Bytes put(long number, int count) {
        for (int shift = 8 * (count - 1); shift >= 0; shift -= 8) put((int) (number >> shift));
        return this;
    }

    void put(byte[] all) {
        reserve(all.length);
        System.arraycopy(all, 0, bytes, size, all.length);
        size += all.length;
    }

    /** Text of nothing but ASCII. */
    @SuppressWarnings("deprecation")
    void ascii(String text) {
        reserve(text.length());
        text.getBytes(0, text.length(), bytes, size);
        size += text.length();
    }

    /** A string of JSON; {@code text} has no lone surrogates. */
    void quoted(String text) {
        int length = text.length();
        reserve(2 + 6 * length);
        bytes[size++] = '"';
        for (int from = 0; from < length; from++) {
            char c = text.charAt(from);
            if (c < ' ' || c == '"' || c == '\\') escaped(c);
            else if (c < 0x80) bytes[size++] = (byte) c;
            else if (Character.isHighSurrogate(c)) beyondAscii(text.codePointAt(from++));
            else beyondAscii(c);
        }
        bytes[size++] = '"';
    }

    private void escaped(char c) {
        bytes[size++] = '\\';
        int named = "\"\\\n\r\t".indexOf(c);
        if (named >= 0) bytes[size++] = (byte) "\"\\nrt".charAt(named);
        else ascii("u00" + (c >> 4) + Character.forDigit(c & 15, 16));
    }

    private void beyondAscii(int code) {
        int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        bytes[size++] = (byte) (0xFF00 >> more + 1 | code >> 6 * more);
        while (more-- > 0) bytes[size++] = (byte) (0x80 | code >> 6 * more & 0x3F);
    }
}
