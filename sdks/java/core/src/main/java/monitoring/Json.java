package monitoring;

import java.util.List;
import java.util.Map;

/** Compact JSON of what {@link Values#plain} gave. */
final class Json {
    private Json() {}

    /** A line with {@code record}; empties {@code out} first. */
    static byte[] line(Map<String, Object> record, Bytes out) {
        write(record, out.clear());
        return out.put('\n').copy();
    }

    private static void write(Object value, Bytes out) {
        if (value instanceof String) out.quoted((String) value);
        else if (value instanceof Map) {
            char before = '{';
            if (((Map<?, ?>) value).isEmpty()) out.put('{');
            for (Map.Entry<?, ?> member : ((Map<?, ?>) value).entrySet()) {
                out.put(before);
                out.quoted((String) member.getKey());
                out.put(':');
                write(member.getValue(), out);
                before = ',';
            }
            out.put('}');
        } else if (value instanceof List) {
            char before = '[';
            if (((List<?>) value).isEmpty()) out.put('[');
            for (Object item : (List<?>) value) {
                out.put(before);
                write(item, out);
                before = ',';
            }
            out.put(']');
        } else out.ascii(String.valueOf(value));
    }
}
