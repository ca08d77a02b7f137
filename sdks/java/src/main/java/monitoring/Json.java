package monitoring;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** Compact JSON of what {@link Values#plain} gave. */
final class Json {
    private Json() {}

    static byte[] line(Map<String, Object> record) {
        StringBuilder out = new StringBuilder(256);
        write(record, out);
        return out.append('\n').toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void write(Object value, StringBuilder out) {
        if (value instanceof String) text((String) value, out);
        else if (value instanceof Map) {
            char before = '{';
            if (((Map<?, ?>) value).isEmpty()) out.append('{');
            for (Map.Entry<?, ?> member : ((Map<?, ?>) value).entrySet()) {
                out.append(before);
                text((String) member.getKey(), out);
                out.append(':');
                write(member.getValue(), out);
                before = ',';
            }
            out.append('}');
        } else if (value instanceof List) {
            char before = '[';
            if (((List<?>) value).isEmpty()) out.append('[');
            for (Object item : (List<?>) value) {
                out.append(before);
                write(item, out);
                before = ',';
            }
            out.append(']');
        } else out.append(value);
    }

    private static void text(String text, StringBuilder out) {
        out.append('"');
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c >= ' ') out.append(c);
            else if (c == '\n') out.append("\\n");
            else if (c == '\r') out.append("\\r");
            else if (c == '\t') out.append("\\t");
            else out.append(String.format("\\u%04x", (int) c));
        }
        out.append('"');
    }
}
