"""One connection to the sidecar and the bounded backlog in front of it. Nothing waits, except 4 ms for a handshake.

States: none (until `next_s`) → connecting → up (the kernel took something) → lost → none. With a session (`ack`), what
was sent stays in the backlog until it is acknowledged, and is sent again on the next connection; the sidecar knows by
its number what it has. Not thread-safe: the client holds its lock.
"""

import collections
import errno
import fcntl
import json
import os
import select
import signal
import socket
import time
from typing import Any, Callable, Deque, Dict, Optional, Tuple

BACKOFF_S = 0.1
BACKOFF_MAX_S = 5.0
HANDSHAKE_S = 0.004
CONNECT_S = 5.0
IDLE_S = 1.0
LINGER_S = 0.2
HEARD_BYTES = 65_536  # of one line; a sidecar has less to say
READS = 4  # at a time
READ_BYTES = 4096
REASONS = ("full", "encode", "oversize", "refused", "closed", "forked")


class Link:
    def __init__(
        self,
        address: Any,
        limit_bytes: int,
        notice: Callable[[str], None],
        hello: Optional[Callable[["Link"], bytes]],
        ack: bool,
    ) -> None:
        """`notice` is told when records begin to be lost and when that ends; `hello` gives what a connection begins with."""
        self.family, self.peer = address
        self.limit_bytes = limit_bytes
        self.notice = notice
        self.hello = hello
        self.ack = ack
        self.debug = False
        self.sock: Optional[socket.socket] = None
        self.poll = select.poll()  # of the socket: whether the sidecar said anything, or closed
        self.frames: Deque[bytes] = collections.deque()
        self.begin()

    def begin(self) -> None:
        """Starts afresh. In a forked child what is queued is the parent's to send, and so is the connection: it is
        closed without a shutdown."""
        forked = len(self.frames)
        self._disconnect()
        self.frames = collections.deque()
        self.unsent = self.offset = self.seq = self.sent = self.connects = self.step = self.queued_bytes = 0
        self.accepted = forked
        self.dropped = dict.fromkeys(REASONS, 0)
        self.dropped["forked"] = forked
        self.losing: Optional[Dict[str, int]] = None
        self.loss: Optional[Dict[str, int]] = None
        self.session = ""
        self.control = self.heard = b""
        self.up = self.closed = self.sending = False
        self.refused = self.welcome = False  # refused: by the sidecar, which has not welcomed this client since
        self.unsure = 0  # sent on this connection before a welcome: none is taken if it is refused
        self.next_s = self.tried_s = self.used_s = 0.0
        self.window, self.window_bytes = 1000, 2**20

    def offer(self, frame: bytes, important: bool) -> bool:
        """Sends the frame or queues it; False if it was dropped. The last fifth of the backlog is for what is important."""
        if self.frames:
            self.drain()
        room = self.limit_bytes * (1 if important else 0.8) - self.queued_bytes
        if self.frames and len(frame) > room:
            return self.drop("full")
        self.queued_bytes += len(frame)
        self.accepted += 1
        self.seq += 1
        self.frames.append(frame)
        self.drain()
        return True

    def drop(self, why: str) -> bool:
        """Counts a record that will not be sent; False."""
        if why == "full" and self.losing is None:
            self.losing = dict(self.dropped)
            self.notice(f"no sidecar at {self.peer} takes records and the buffer is full: dropping")
        self.accepted += 1
        self.dropped[why] += 1
        return False

    def drain(self) -> None:
        """Sends what the kernel takes now, in order. A frame that a lost connection cut starts again on the next one."""
        if self.sending:
            self._interrupted()
        if (self.ack or self.refused) and self.sock is not None and not self._hear():
            self._lose()
        while self.may_send():
            sock = self._socket()
            if sock is None:
                return
            if not self.may_send():
                continue
            data = self.control or self.frames[self.unsent]
            rest = data[self.offset :] if self.offset else data
            self.sending = True
            try:
                taken = sock.send(rest, socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                self.sending = False
                return
            except OSError as error:
                pass_on(error)
                self.sending = False
                if self.up or time.monotonic() > self.tried_s + CONNECT_S or not self._is_connecting():
                    self._hear()  # it may have said why
                    self._lose()
                return
            self._took(taken, len(data))
        if self.losing is not None and not self.frames:
            self.loss = {reason: self.dropped[reason] - then for reason, then in self.losing.items()}
            self.losing = None
            self.notice(f"delivering again; {self.loss['full']} records were dropped")

    def may_send(self) -> bool:
        if self.control:
            return True
        if self.unsent >= len(self.frames):
            return False
        # Whoever has no hello to say cannot be welcomed, only let in.
        if self.refused and self.hello is not None and self.sock is not None:
            return False
        if not self.ack or self.offset:
            return True
        return self.unsent < self.window and sum(map(len, _first(self.frames, self.unsent))) < self.window_bytes

    def _took(self, taken: int, length: int) -> None:
        if not self.up:
            self.connects += 1
            self._tell("connected to")
        self.up = True
        self.used_s = time.monotonic()
        self.sending = False
        self.offset += taken
        if self.offset < length:
            return
        self.offset = 0
        if self.control:
            self.control = b""
        elif self.ack:
            self.unsent += 1
        else:
            self.sent += 1
            self.unsure += not self.welcome
            self.queued_bytes -= length
            self.frames.popleft()

    def _interrupted(self) -> None:
        """What a signal handler raised came between a send and its count. The kernel has it whole if it takes more."""
        self.sending = False
        if self.sock is None or not wait(self.sock, False, 0):
            self._lose()
            return
        length = len(self.control or self.frames[self.unsent])
        self._took(length - self.offset, length)

    def ask(self, message: bytes) -> bool:
        """Asks to hear at once of all that was sent."""
        if not self.up or self.control or self.unsent < len(self.frames):
            return False
        self.control = message
        return True

    def _is_connecting(self) -> bool:
        return self.sock is not None and self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0

    def _hear(self) -> bool:
        """Reads what the sidecar says, if anything; False if it has closed, or is about to: it refuses. Who talks without
        end is no sidecar, and does not keep the host."""
        for _ in range(READS):
            try:
                heard = self.sock.recv(READ_BYTES)  # type: ignore[union-attr]
            except (BlockingIOError, InterruptedError):
                return self.up or time.monotonic() < self.tried_s + CONNECT_S
            except OSError as error:
                pass_on(error)
                return not self.up and self._is_connecting()
            if not heard or not self._heard(heard):
                return False
        return True

    def _heard(self, text: bytes) -> bool:
        """False if there is an error in it, behind which the sidecar closes. What comes with a line that is none of the
        sidecar's is not looked at."""
        *lines, self.heard = (self.heard[-HEARD_BYTES:] + text).split(b"\n")
        goes_on = True
        for line in lines:
            kind, data = _message(line)
            if not kind:
                self.heard = b""
                break
            self._understand(kind, data, line)
            goes_on = goes_on and kind != "error"
        return goes_on

    def _understand(self, kind: str, data: Dict[str, Any], line: bytes) -> None:
        if kind == "error":
            self._refused(line)
        if kind == "welcome":
            self.welcome, self.refused = True, False
            self.window = _count(data, "window", self.window)
            self.window_bytes = _count(data, "window_bytes", self.window_bytes)
        if self.ack and kind in ("welcome", "ack", "nack"):
            self._acked(_count(data, "last_seq", _count(data, "seq", 0)), kind == "nack")

    def _refused(self, line: bytes) -> None:
        """Told once. What was sent is not taken; what comes waits for a welcome."""
        if not self.refused:
            self.notice(f"the sidecar at {self.peer} refuses: {line.decode('utf-8', 'replace')}")
        self.refused = True
        self.sent -= self.unsure
        self.dropped["refused"] += self.unsure
        self.unsure = 0

    def _acked(self, seq: int, refused: bool) -> None:
        count = min(seq - (self.seq - len(self.frames)), len(self.frames))
        if self.offset and not self.control:  # one of which a part is written already is finished first
            count = min(count, self.unsent)
        for nth in range(count):
            self.queued_bytes -= len(self.frames.popleft())
        if count > 0:
            self.dropped["refused"] += refused
            self.sent += count - refused
            self.unsent = max(0, self.unsent - count)

    def _socket(self) -> Optional[socket.socket]:
        """The socket, if it may be written to. Idle for long, it is looked at first: the sidecar may have closed."""
        if self.sock is None:
            return self.connect()
        if self.up and time.monotonic() < self.used_s + IDLE_S and not self._has_news():
            return self.sock
        if self._hear():
            return self.sock
        self._lose()
        return self.connect()

    def _has_news(self) -> bool:
        return bool(self.poll.poll(0))  # a third of what recv takes to say that there is nothing

    def connect(self) -> Optional[socket.socket]:
        """One attempt a backoff step, with full jitter of the system's random source."""
        now_s = time.monotonic()
        if self.closed or now_s < self.next_s:
            return None
        limit_s = min(BACKOFF_S * 2**self.step, BACKOFF_MAX_S)
        self.step += 1
        self.tried_s = now_s
        self.next_s = now_s + limit_s * int.from_bytes(os.urandom(4), "big") / 2**32
        try:
            sock = _above_stderr(socket.socket(self.family, socket.SOCK_STREAM))
        except OSError as error:
            pass_on(error)  # or the process has no descriptor left
            return None
        try:
            sock.setblocking(False)
            if self.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(self.peer)
        except BlockingIOError as error:
            wait(sock, False, HANDSHAKE_S)
            # Anything else than EINPROGRESS: a Unix socket where others wait already to be accepted.
            if error.errno != errno.EINPROGRESS or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
                sock.close()
                return None
        except OSError as error:
            sock.close()
            pass_on(error)
            return None
        if sock.getsockname() == self.peer:  # TCP may connect to itself where nothing listens
            sock.close()
            return None
        self.sock = sock
        self.poll = select.poll()
        self.poll.register(sock, select.POLLIN)
        self.offset = self.unsent = self.unsure = 0
        self.welcome = False
        self.control = self.hello(self) if self.hello is not None else b""
        return sock

    def _lose(self) -> None:
        """A connection that lived for a second has earned an attempt at once."""
        if self.up and time.monotonic() > self.tried_s + 1:
            self.step, self.next_s = 0, 0.0
        if self.up:
            self._tell("lost the connection to")
        self._disconnect()
        self.up = self.sending = False
        self.offset = self.unsent = 0
        self.control = self.heard = b""

    def _disconnect(self) -> None:
        sock, self.sock = self.sock, None
        try:
            if sock is not None:
                sock.close()
        except OSError as error:
            pass_on(error)  # or the program closed it: one that becomes a daemon closes all it has

    def _tell(self, what: str) -> None:
        if self.debug:
            self.notice(f"{what} {self.peer}")

    def end(self) -> None:
        """Closes for good; what is queued counts as dropped."""
        self.dropped["closed"] += len(self.frames)
        self.frames.clear()
        self.unsent = self.queued_bytes = 0
        self.closed = True
        sock = self.sock
        if sock is None:
            return
        try:
            sock.shutdown(socket.SHUT_WR)
            # Closed with something unread, the connection would be reset, and what is on its way lost.
            until_s = time.monotonic() + LINGER_S
            while self.hello is not None and time.monotonic() < until_s:
                if wait(sock, True, 0.02) and not self._hear():
                    break
        except OSError as error:
            pass_on(error)
        self._lose()


def _above_stderr(sock: socket.socket) -> socket.socket:
    """The socket, not in the place of a closed stdin, stdout or stderr: what is printed there is no telemetry."""
    if sock.fileno() > 2:
        return sock
    with sock:
        return socket.socket(fileno=fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, 3))


def _message(line: bytes) -> Tuple[str, Dict[str, Any]]:
    """Type and data of what the sidecar says; no type where someone else does."""
    try:
        message = json.loads(line)
        kind, data = message["type"], message["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", {}
    return (kind, data) if isinstance(kind, str) and isinstance(data, dict) else ("", {})


def _count(data: Dict[str, Any], name: str, otherwise: int) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else otherwise


def _first(frames: Deque[bytes], count: int) -> Any:
    return (frames[nth] for nth in range(count))


def wait(sock: Optional[socket.socket], to_read: bool, timeout_s: float) -> bool:
    """Waits until the socket can be read or written; without one, just waits."""
    if sock is None:
        time.sleep(timeout_s)
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN if to_read else select.POLLOUT)
    return bool(poll.poll(timeout_s * 1000))


def pass_on(error: BaseException) -> None:
    """Raises what comes out of a signal handler: a time limit, say, that only happens to end a call of ours."""
    handlers = [getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()]
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code not in handlers:
        at = at.tb_next
    if at is not None:
        raise error
