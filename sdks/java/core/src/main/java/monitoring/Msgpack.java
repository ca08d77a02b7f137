package monitoring;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** MessagePack of what {@link Values#plain} gave. */
final class Msgpack {
    private Msgpack() {}

    /** Empties {@code out} first. */
    static byte[] pack(Map<String, Object> record, Bytes out) {
        write(record, out.clear());
        return out.copy();
    }

    private static void write(Object value, Bytes out) {
        if (value == null) out.put(0xc0);
        else if (value instanceof Boolean) out.put((Boolean) value ? 0xc3 : 0xc2);
        else if (value instanceof Long) whole((Long) value, out);
        else if (value instanceof Double) out.put(0xcb).put(Double.doubleToRawLongBits((Double) value), 8);
        else if (value instanceof String) {
            byte[] text = ((String) value).getBytes(StandardCharsets.UTF_8);
            if (text.length > 31 && text.length < 0x100) out.put(0xd9).put(text.length);
            else head(text.length, 0xa0, 31, 0xda, out);
            out.put(text);
        } else if (value instanceof List) {
            head(((List<?>) value).size(), 0x90, 15, 0xdc, out);
            for (Object item : (List<?>) value) write(item, out);
        } else {
            head(((Map<?, ?>) value).size(), 0x80, 15, 0xde, out);
            for (Map.Entry<?, ?> member : ((Map<?, ?>) value).entrySet()) {
                write(member.getKey(), out);
                write(member.getValue(), out);
            }
        }
    }

    private static void head(int length, int fixed, int least, int code, Bytes out) {
        if (length <= least) out.put(fixed | length);
        else if (length < 0x10000) out.put(code).put(length, 2);
        else out.put(code + 1).put(length, 4);
    }

    private static void whole(long value, Bytes out) {
        if (value >= -32 && value < 0x80) out.put((int) value);
        else if (value >= 0 && value < 0x100) out.put(0xcc).put(value, 1);
        else if (value >= 0 && value < 0x10000) out.put(0xcd).put(value, 2);
        else if (value >= 0 && value < 0x100000000L) out.put(0xce).put(value, 4);
        else if (value >= 0) out.put(0xcf).put(value, 8);
        else if (value >= Byte.MIN_VALUE) out.put(0xd0).put(value, 1);
        else if (value >= Short.MIN_VALUE) out.put(0xd1).put(value, 2);
        else if (value >= Integer.MIN_VALUE) out.put(0xd2).put(value, 4);
        else out.put(0xd3).put(value, 8);
    }
}
