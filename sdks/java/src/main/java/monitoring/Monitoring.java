package monitoring;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The client of a process. */
public final class Monitoring {
    private static final Map<String, Client> CLIENTS = new ConcurrentHashMap<>();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> CLIENTS.values().forEach(Client::finish), "monitoring-sdk-exit"));
    }

    private Monitoring() {}

    /** A client; the same for the same options. What it holds is flushed when the process ends. Never throws. */
    public static Client init(Options options) {
        return CLIENTS.computeIfAbsent(options.given + " " + options.beforeSend, key -> new Client(options));
    }

    /** The same, with what is not given from the environment. */
    public static Client init(String source) {
        return init(new Options().source(source));
    }
}
