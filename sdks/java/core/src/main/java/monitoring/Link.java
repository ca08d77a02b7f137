package monitoring;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One connection to the sidecar and the bounded backlog in front of it. Nothing waits, except 4 ms for a handshake. With
 * a session (ack), what was sent stays in the backlog until it is acknowledged, and is sent again on the next connection.
 * Not thread-safe: the client holds its lock.
 */
final class Link {
    static final String[] REASONS = {"full", "encode", "oversize", "refused", "closed", "forked"};
    private static final double BACKOFF_S = 0.1;
    private static final double BACKOFF_MAX_S = 5;
    private static final double CONNECT_S = 5;
    private static final long HANDSHAKE_MS = 4;
    private static final double LINGER_S = 0.2;
    private static final int HEARD_CHARS = 65_536;
    private static final int READS = 4;
    private static final Pattern TYPE = Pattern.compile("\"type\":\"(\\w+)\"");
    private static final Pattern SEQ = Pattern.compile("\"(?:last_)?seq\":(\\d{1,18})");
    private static final Pattern WINDOW = Pattern.compile("\"(window|window_bytes)\":(\\d{1,18})");

    final Map<String, Long> dropped = new LinkedHashMap<>();
    long accepted;
    long sent;
    long seq;
    long queuedBytes;
    int connects;
    boolean up;
    boolean debug;
    Map<String, Object> loss;
    double triedS;
    double nextS;
    private final InetSocketAddress peer;
    private final long limitBytes;
    private final Consumer<String> notice;
    private final Supplier<byte[]> hello;
    private final boolean ack;
    private final SecureRandom random = new SecureRandom();
    private Map<String, Long> losing;
    private SocketChannel channel;
    /** Frames to be sent; part of the first may be written already. */
    private final ArrayDeque<byte[]> waiting = new ArrayDeque<>();
    /** With ack: frames that are on this connection already, and before those that wait. */
    private final ArrayDeque<byte[]> flying = new ArrayDeque<>();
    private long flyingBytes;
    private final ByteBuffer input = ByteBuffer.allocateDirect(4096);
    private ByteBuffer writing;
    private boolean isControl;
    private byte[] control;
    private String heard = "";
    private long window = 1000;
    private long windowBytes = 1 << 20;
    private int step;
    /** Whether the sidecar refused this client, and has not welcomed it since. */
    private boolean refused;
    private boolean welcome;
    /** Records sent on this connection before it was welcomed: none is taken if it is refused. */
    private long unsure;
    private boolean closed;

    Link(String host, int port, long limitBytes, Consumer<String> notice, Supplier<byte[]> hello, boolean ack)
            throws IOException {
        // The only look-up of a name, ever.
        peer = new InetSocketAddress(InetAddress.getByName(host.equalsIgnoreCase("localhost") ? "127.0.0.1" : host), port);
        this.limitBytes = limitBytes;
        this.notice = notice;
        this.hello = hello;
        this.ack = ack;
        for (String reason : REASONS) dropped.put(reason, 0L);
    }

    static double nowS() {
        return System.nanoTime() / 1e9;
    }

    /** How many frames it holds: those to be sent, and with ack those to be acknowledged. */
    int queued() {
        return waiting.size() + flying.size();
    }

    /** Sends the frame or queues it; false if it was dropped. The last fifth of the backlog is for what is important. */
    boolean offer(byte[] frame, boolean important) {
        if (queued() > 0) drain();
        double room = limitBytes * (important ? 1 : 0.8) - queuedBytes;
        if (queued() > 0 && frame.length > room) return drop("full");
        accepted++;
        seq++;
        waiting.add(frame);
        queuedBytes += frame.length;
        drain();
        return true;
    }

    /** Counts a record that will not be sent; false. */
    boolean drop(String why) {
        if (why.equals("full") && losing == null) {
            losing = new LinkedHashMap<>(dropped);
            notice.accept("no sidecar at " + peer + " takes records and the buffer is full: dropping");
        }
        accepted++;
        dropped.merge(why, 1L, Long::sum);
        return false;
    }

    /** Sends what the kernel takes now, in order. A frame that a lost connection cut starts again on the next one. */
    void drain() {
        if (channel != null && !hear()) lose();
        while (maySend()) {
            if (channel == null && !connect()) return;
            if (writing == null) {
                isControl = control != null;
                writing = ByteBuffer.wrap(isControl ? control : waiting.peek());
            }
            try {
                if (channel.isConnectionPending() && !channel.finishConnect()) {
                    if (nowS() > triedS + CONNECT_S) lose();
                    return;
                }
                channel.write(writing);
            } catch (IOException error) {
                lose();
                continue;
            }
            if (!up) {
                connects++;
                tell("connected to ");
            }
            up = true;
            if (writing.hasRemaining()) return;
            wrote();
        }
        if (losing == null || queued() > 0) return;
        loss = new LinkedHashMap<>();
        for (String reason : REASONS) loss.put(reason, dropped.get(reason) - losing.get(reason));
        losing = null;
        notice.accept("delivering again; " + loss.get("full") + " records were dropped");
    }

    private void tell(String what) {
        if (debug) notice.accept(what + peer);
    }

    private void wrote() {
        writing = null;
        if (isControl) {
            control = null;
            return;
        }
        byte[] frame = waiting.remove();
        if (ack) {
            flying.add(frame);
            flyingBytes += frame.length;
        } else {
            sent++;
            if (!welcome) unsure++;
            queuedBytes -= frame.length;
        }
    }

    private boolean maySend() {
        if (closed) return false;
        if (control != null || writing != null) return true;
        if (waiting.isEmpty()) return false;
        // Whoever has no hello to say cannot be welcomed, only let in.
        if (refused && hello != null) return channel == null;
        return flying.isEmpty() || flying.size() < window && flyingBytes + waiting.peek().length <= windowBytes;
    }

    /** Asks to hear at once of all that was sent. */
    boolean ask(byte[] message) {
        if (!up || control != null || !waiting.isEmpty()) return false;
        control = message;
        return true;
    }

    /**
     * Reads what the sidecar says, if anything; false if it has closed. Who talks without end is no sidecar, and does not
     * keep the host.
     */
    private boolean hear() {
        if (!up) return true;
        try {
            for (int reads = 0; reads < READS; reads++) {
                int count = channel.read(input.clear());
                if (count <= 0) return count == 0;
                understand(StandardCharsets.UTF_8.decode(input.flip()).toString());
            }
            return true;
        } catch (IOException error) {
            return false;
        }
    }

    /** Its messages are lines of compact JSON. */
    private void understand(String text) {
        String[] lines = (heard + text).split("\n", -1);
        heard = lines[lines.length - 1];
        if (heard.length() > HEARD_CHARS) heard = ""; // it is no sidecar's
        for (int at = 0; at < lines.length - 1; at++) {
            Matcher type = TYPE.matcher(lines[at]);
            if (!type.find()) continue;
            if (type.group(1).equals("error")) refused(lines[at]);
            if (type.group(1).equals("welcome")) {
                welcome = true;
                refused = false;
            }
            for (Matcher found = WINDOW.matcher(lines[at]); type.group(1).equals("welcome") && found.find(); ) {
                if (found.group(1).equals("window")) window = Long.parseLong(found.group(2));
                else windowBytes = Long.parseLong(found.group(2));
            }
            Matcher number = SEQ.matcher(lines[at]);
            if (ack && number.find() && type.group(1).matches("welcome|ack|nack")) {
                acknowledged(Long.parseLong(number.group(1)), type.group(1).equals("nack"));
            }
        }
    }

    /** Told once. What was sent is not taken; what comes waits for a welcome. */
    private void refused(String line) {
        if (!refused) notice.accept("the sidecar at " + peer + " refuses: " + line);
        refused = true;
        sent -= unsure;
        dropped.merge("refused", unsure, Long::sum);
        unsure = 0;
    }

    private void acknowledged(long upTo, boolean refused) {
        long count = Math.min(upTo - (seq - queued()), queued());
        // After a lost connection frames that the sidecar had taken may wait; one that is written in part is finished.
        boolean isCut = writing != null && !isControl && writing.position() > 0;
        if (isCut) count = Math.min(count, flying.size());
        if (count <= 0) return;
        for (long nth = 0; nth < count; nth++) {
            boolean wasFlying = !flying.isEmpty();
            byte[] frame = wasFlying ? flying.remove() : waiting.remove();
            if (wasFlying) flyingBytes -= frame.length;
            else if (!isControl) writing = null;
            queuedBytes -= frame.length;
        }
        if (refused) dropped.merge("refused", 1L, Long::sum);
        sent += count - (refused ? 1 : 0);
    }

    /** One attempt a backoff step, with full jitter of the system's random source. */
    boolean connect() {
        double now = nowS();
        if (closed || now < nextS) return false;
        triedS = now;
        nextS = now + Math.min(BACKOFF_S * Math.pow(2, step++), BACKOFF_MAX_S) * random.nextDouble();
        try {
            channel = SocketChannel.open();
            channel.configureBlocking(false);
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            channel.connect(peer);
            for (int tries = 0; !channel.finishConnect() && tries < HANDSHAKE_MS; tries++) sleep(1);
            // TCP may connect to itself where nothing listens.
            if (channel.isConnected() && channel.getLocalAddress().equals(peer)) throw new IOException("connected to itself");
        } catch (IOException error) {
            shut();
            return false;
        }
        control = hello == null ? null : hello.get();
        welcome = false;
        unsure = 0;
        return true;
    }

    /** A connection that lived for a second has earned an attempt at once. */
    private void lose() {
        if (up) tell("lost the connection to ");
        if (up && nowS() > triedS + 1) {
            step = 0;
            nextS = 0;
        }
        shut();
    }

    private void shut() {
        if (channel != null) {
            try {
                channel.close();
            } catch (IOException ignored) {
                // It is gone either way.
            }
        }
        channel = null;
        up = false;
        while (!flying.isEmpty()) waiting.addFirst(flying.removeLast());
        flyingBytes = 0;
        writing = null;
        control = null;
        heard = "";
    }

    /** Closes for good; what is queued counts as dropped. */
    void end() {
        dropped.merge("closed", (long) queued(), Long::sum);
        waiting.clear();
        flying.clear();
        queuedBytes = 0;
        closed = true;
        if (channel != null && up) {
            try {
                channel.shutdownOutput();
                // Closed with something unread, the connection would be reset, and what is on its way lost.
                double untilS = nowS() + LINGER_S;
                while (hello != null && nowS() < untilS && hear()) sleep(5);
            } catch (IOException ignored) {
                // It is gone either way.
            }
        }
        shut();
    }

    /** A pause that keeps the interrupt of whoever is interrupted in it. */
    static void sleep(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException interrupt) {
            Thread.currentThread().interrupt();
        }
    }
}
