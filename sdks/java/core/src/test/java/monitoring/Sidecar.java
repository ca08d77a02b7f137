package monitoring;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;

/** A sidecar's end of the socket, on a free port: it keeps what arrives, and can be away, deaf, and back again. */
final class Sidecar implements AutoCloseable {
    private final List<Connection> connections = new ArrayList<>();
    /** Holds the port while nobody listens there. */
    private final Socket port = new Socket();
    private ServerSocket server;
    private Thread accepting;
    private volatile boolean isDeaf;
    /** Whether it welcomes sessions and acknowledges what they send. */
    private volatile boolean acknowledges;
    /** Whether it refuses whoever says something. */
    private volatile boolean refuses;

    private final class Connection {
        final Socket socket;
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        volatile boolean isEnded;

        Connection(Socket socket) {
            this.socket = socket;
        }

        void read() {
            byte[] piece = new byte[65_536];
            try (InputStream in = socket.getInputStream()) {
                for (int count = 0; count >= 0; count = isDeaf ? rest() : in.read(piece)) {
                    synchronized (bytes) {
                        bytes.write(piece, 0, count);
                    }
                    if (refuses && count > 0) {
                        String error = "{\"type\":\"error\",\"data\":{\"code\":\"auth\",\"message\":\"no\"}}\n";
                        socket.getOutputStream().write(error.getBytes(StandardCharsets.UTF_8));
                        socket.shutdownOutput();
                    } else if (acknowledges && count > 0) answer(new String(piece, 0, count, StandardCharsets.UTF_8));
                }
            } catch (IOException reset) {
                // So it is at its end.
            }
            isEnded = true;
        }

        /** Its thread's read holds the connection until it has heard of the end. */
        void reset() {
            try {
                socket.setSoLinger(true, 0);
                socket.close();
            } catch (IOException closed) {
                // The client was first.
            }
            while (!isEnded) Link.sleep(1);
        }

        private int rest() {
            Link.sleep(1);
            return socket.isClosed() ? -1 : 0;
        }

        private void answer(String text) throws IOException {
            String seq = "\"seq\":";
            int last = text.lastIndexOf(seq);
            String answer = text.contains("\"type\":\"hello\"") ? "{\"type\":\"welcome\",\"data\":{\"v\":1,\"last_seq\":0}}\n" : "";
            if (last >= 0) answer += "{\"type\":\"ack\",\"data\":{\"seq\":" + text.substring(last + seq.length()).replaceAll("\\D.*\n*", "") + "}}\n";
            socket.getOutputStream().write(answer.getBytes(StandardCharsets.UTF_8));
        }

        byte[] all() {
            synchronized (bytes) {
                return bytes.toByteArray();
            }
        }
    }

    /** One that listens. */
    Sidecar() throws IOException {
        port.setReuseAddress(true);
        port.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        start();
    }

    /** One that is away: its port is its own, and nobody listens there yet. */
    static Sidecar absent() throws IOException {
        Sidecar sidecar = new Sidecar();
        sidecar.stop();
        return sidecar;
    }

    int port() {
        return port.getLocalPort();
    }

    /** Options of a client that sends to it, and keeps off stderr. */
    Options options() {
        return new Options().source("test").tcpHost("127.0.0.1").tcpPort(port()).quiet(true);
    }

    Client client() {
        return new Client(options());
    }

    void start() throws IOException {
        server = new ServerSocket();
        server.setReuseAddress(true);
        server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port()), 64);
        accept(server);
    }

    private void accept(ServerSocket listener) {
        accepting = new Thread(() -> {
            try {
                for (;;) {
                    Connection connection = new Connection(listener.accept());
                    synchronized (connections) {
                        connections.add(connection);
                    }
                    Thread reading = new Thread(connection::read);
                    reading.setDaemon(true);
                    reading.start();
                }
            } catch (IOException closed) {
                // It listens no more.
            }
        });
        accepting.setDaemon(true);
        accepting.start();
    }

    void deaf(boolean deaf) {
        isDeaf = deaf;
    }

    void acknowledge() {
        acknowledges = true;
    }

    void refuse(boolean refuse) {
        refuses = refuse;
    }

    /** Listens no more, and resets its connections. */
    void stop() throws IOException {
        server.close();
        // Until its thread has heard of it, it listens.
        while (accepting.isAlive()) Link.sleep(1);
        synchronized (connections) {
            for (Connection one : connections) one.reset();
        }
    }

    @Override
    public void close() throws IOException {
        stop();
        port.close();
    }

    int connections() {
        synchronized (connections) {
            return connections.size();
        }
    }

    boolean isEnded() {
        synchronized (connections) {
            return !connections.isEmpty() && connections.get(connections.size() - 1).isEnded;
        }
    }

    /** All bytes, in order of connection. */
    byte[] bytes() {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        synchronized (connections) {
            for (Connection one : connections) all.writeBytes(one.all());
        }
        return all.toByteArray();
    }

    /** Whole lines, in order of connection, without their times. */
    List<String> lines() {
        String text = new String(bytes(), StandardCharsets.UTF_8);
        int end = text.lastIndexOf('\n');
        return end < 0 ? List.of() : Arrays.asList(masked(text.substring(0, end)).split("\n"));
    }

    /** The same, once there are so many. */
    List<String> lines(int count) {
        until(() -> lines().size() >= count, () -> lines().size() + " of " + count + " lines arrived: " + lines());
        return lines();
    }

    static String masked(String text) {
        return text.replaceAll("\"timestamp\":\"[^\"]*\",\"ts_us\":\\d{16}", "\"timestamp\":0")
                .replaceAll("\"(start_us|duration_us|pid)\":\\d+", "\"$1\":0")
                .replaceAll("\"session\":\"[0-9a-f]{32}\"", "\"session\":0");
    }

    /** Waits; 20 s at most. */
    static void until(BooleanSupplier holds, java.util.function.Supplier<String> otherwise) {
        long endNs = System.nanoTime() + 20_000_000_000L;
        while (!holds.getAsBoolean()) {
            if (System.nanoTime() > endNs) throw new AssertionError(otherwise.get());
            Link.sleep(2);
        }
    }
}
