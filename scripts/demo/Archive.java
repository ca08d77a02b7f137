import java.util.Map;
import monitoring.Client;
import monitoring.Monitoring;
import monitoring.Span;

/** archive: puts a file away. */
public class Archive {
    public static void main(String[] args) throws Exception {
        Client monitoring = Monitoring.init("archive");
        try (Span span = monitoring.span("archive_file")) {
            Thread.sleep(150);
            monitoring.logEvent("info", "File archived", Map.of("copies", 2));
        }
    }
}
