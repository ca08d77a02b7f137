package monitoring;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The client of a process. */
public final class Monitoring {
    private static final Map<String, Client> CLIENTS = new ConcurrentHashMap<>();

    static {
        try {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> CLIENTS.values().forEach(Client::finish), "monitoring-sdk-exit"));
        } catch (IllegalStateException ending) {
            // The process ends already.
        }
    }

    private Monitoring() {}

    /**
     * A client; the same for the same options until it is closed. What it holds is flushed when the process ends. Never
     * throws; without options, all of them come from the environment.
     */
    public static Client init(Options options) {
        Options given = options == null ? new Options() : options;
        return CLIENTS.compute(given.given + " " + given.beforeSend,
                (key, client) -> client == null || client.isClosed() ? new Client(given) : client);
    }

    /** The same, with the name of the service alone. */
    public static Client init(String source) {
        return init(new Options().source(source));
    }
}
