package monitoring;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** MessagePack of what {@link Values#plain} gave. */
final class Msgpack {
    private Msgpack() {}

    static byte[] pack(Object value) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        try {
            write(value, new DataOutputStream(bytes));
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
        return bytes.toByteArray();
    }

    private static void write(Object value, DataOutputStream out) throws IOException {
        if (value == null) out.writeByte(0xc0);
        else if (value instanceof Boolean) out.writeByte((Boolean) value ? 0xc3 : 0xc2);
        else if (value instanceof Long) whole((Long) value, out);
        else if (value instanceof Double) {
            out.writeByte(0xcb);
            out.writeDouble((Double) value);
        } else if (value instanceof String) {
            byte[] text = ((String) value).getBytes(StandardCharsets.UTF_8);
            if (text.length > 31 && text.length < 0x100) {
                out.writeByte(0xd9);
                out.writeByte(text.length);
            } else head(text.length, 0xa0, 31, 0xda, out);
            out.write(text);
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

    private static void head(int length, int fixed, int least, int code, DataOutputStream out) throws IOException {
        if (length <= least) out.writeByte(fixed | length);
        else if (length < 0x10000) {
            out.writeByte(code);
            out.writeShort(length);
        } else {
            out.writeByte(code + 1);
            out.writeInt(length);
        }
    }

    private static void whole(long value, DataOutputStream out) throws IOException {
        if (value >= -32 && value < 0x80) out.writeByte((int) value);
        else if (value >= 0 && value < 0x100) {
            out.writeByte(0xcc);
            out.writeByte((int) value);
        } else if (value >= 0 && value < 0x10000) {
            out.writeByte(0xcd);
            out.writeShort((int) value);
        } else if (value >= 0 && value < 0x100000000L) {
            out.writeByte(0xce);
            out.writeInt((int) value);
        } else if (value >= 0) {
            out.writeByte(0xcf);
            out.writeLong(value);
        } else if (value >= Byte.MIN_VALUE) {
            out.writeByte(0xd0);
            out.writeByte((int) value);
        } else if (value >= Short.MIN_VALUE) {
            out.writeByte(0xd1);
            out.writeShort((int) value);
        } else if (value >= Integer.MIN_VALUE) {
            out.writeByte(0xd2);
            out.writeInt((int) value);
        } else {
            out.writeByte(0xd3);
            out.writeLong(value);
        }
    }
}
