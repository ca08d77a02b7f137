package monitoring;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The client of a process. */
public final class Monitoring {
    private static final Map<String, Client> CLIENTS = new ConcurrentHashMap<>();
    /** Flushes what clients hold when the process ends; not there without one, as it would keep this class and its loader. */
    private static Thread atExit;

    private Monitoring() {}

    /**
     * A client; the same for the same options until it is closed. What it holds is flushed when the process ends. Never
     * throws; without options, all of them come from the environment.
     */
    public static Client init(Options options) {
        Options given = options == null ? new Options() : options;
        Client client = CLIENTS.compute(given.given + " " + given.beforeSend, (key, known) -> {
            Client one = known == null || known.isClosed() ? new Client(given) : known;
            one.key = key;
            one.users++;
            return one;
        });
        watchExit();
        return client;
    }

    /** The same, with the name of the service alone. */
    public static Client init(String source) {
        return init(new Options().source(source));
    }

    /** Gives back what a call of init gave. With the last of them the client closes. */
    public static void release(Client client) {
        if (client == null || client.key == null) return;
        Client left = CLIENTS.computeIfPresent(client.key, (key, known) -> known == client && --known.users == 0 ? null : known);
        if (left == null) client.close();
    }

    /** Forgets a client that is closed. */
    static void forget(Client client) {
        CLIENTS.values().remove(client);
        watchExit();
    }

    private static synchronized void watchExit() {
        boolean isWatched = atExit != null;
        if (isWatched != CLIENTS.isEmpty()) return;
        try {
            if (isWatched) Runtime.getRuntime().removeShutdownHook(atExit);
            atExit = isWatched ? null : new Thread(() -> CLIENTS.values().forEach(Client::finish), "monitoring-sdk-exit");
            if (!isWatched) Runtime.getRuntime().addShutdownHook(atExit);
        } catch (IllegalStateException ending) {
            // The process ends already.
        }
    }
}
