"""A sidecar's end of the socket, in a thread: it records lines, and can be slow, deaf or gone."""

import json
import socket
import threading
import time
from typing import Any, Dict, List, Optional


class Fake:
    def __init__(self, port: int = 0, reads: bool = True, answers: Optional[Any] = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.reads, self.answers = reads, answers
        self.connections: List[socket.socket] = []
        self.lines: List[bytes] = []
        self.open = True
        self.lock = threading.Lock()
        # An accept that waits for ever would keep a closed listener open.
        self.listener.settimeout(0.05)
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self) -> None:
        while self.open:
            try:
                sock, _ = self.listener.accept()
            except socket.timeout:
                continue
            except OSError:
                return
            sock.settimeout(None)
            self.connections.append(sock)
            if self.reads:
                threading.Thread(target=self._read, args=(sock,), daemon=True).start()

    def _read(self, sock: socket.socket) -> None:
        rest = b""
        while True:
            try:
                data = sock.recv(65536)
            except OSError:
                return
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            with self.lock:
                self.lines += lines
            if self.answers is not None:
                for line in lines:
                    self.answers(sock, json.loads(line))

    def records(self) -> List[Dict[str, Any]]:
        with self.lock:
            return [json.loads(line) for line in self.lines]

    def wait(self, count: int, seconds: float = 15) -> List[Dict[str, Any]]:
        end = time.monotonic() + seconds
        while len(self.lines) < count and time.monotonic() < end:
            time.sleep(0.01)
        return self.records()

    def close(self) -> None:
        self.open = False
        self.accepting.join()
        self.listener.close()
        for sock in self.connections:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self.connections = []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]
