package monitoring;

/** An open span, which ends when its scope is left: {@code try (Span span = client.span("load")) { … }}. */
public final class Span implements AutoCloseable {
    private final Client client;
    private final String id;
    private String status = "success";
    private String message;

    Span(Client client, String id) {
        this.client = client;
        this.id = id;
    }

    /** 16 hexadecimal digits. */
    public String id() {
        return id;
    }

    /** It will end as an error, for this reason. */
    public void fail(String why) {
        status = "error";
        message = why;
    }

    @Override
    public void close() {
        client.endSpan(id, status, message, null);
    }
}
