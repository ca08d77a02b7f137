"""The client: a call encodes its record and hands it to the kernel before it returns, without ever waiting."""

import contextvars
import os
import re
import sys
import threading
import time
from types import FrameType
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ._ids import NOWHERE, TRACE_ID, Place, new_id, parse_traceparent
from ._link import Link, pass_on, wait
from ._msgpack import to_msgpack
from ._settings import Settings, rank_of, read_settings, resolve
from ._values import MAX_KEYS, MAX_RECORD_BYTES, clean_text, plain, to_json

VERSION = "0.1.0"
MAX_CONTEXT_KEYS = 64
MAX_OPEN_SPANS = 1024
WARN = 4
CLOSE_S = 1.0
ABSENT_S = 0.2
HELPER_S = 0.05
_FINAL = re.compile(r"(completed?|done|finished|success|succeeded|fail(ed|ure)?|error|cancell?ed|aborted)\Z", re.I)
NO_SPAN = "0" * 16


class _Span:
    __slots__ = ("id", "trace", "core", "start_ns", "outer")

    def __init__(self, trace: str, core: Dict[str, Any], outer: Optional["_Span"]) -> None:
        self.id, self.trace, self.core, self.outer = new_id(8), trace, core, outer
        self.start_ns = time.monotonic_ns()


class _Busy(threading.local):
    """Of a thread: how many calls it is in, each but the first a signal handler's, and what those have to send."""

    depth = 0
    later: Tuple[Any, ...] = ()


class Client:
    """Sends to one sidecar as one source. Thread-safe; no method raises, whatever it is given.

    Options that are not given come from the environment (`MONITORING_SOURCE`, `_HOST`, `_PORT`, `_LEVEL`,
    `_BUFFER_BYTES`, `_TAGS`, `_JOB_ID`, `_PROTOCOL`, `_DISABLED`, `_QUIET`, `_DEBUG`, `_ACK`, `_TOKEN`):
    source (text), tcp_host, tcp_port, level (events below it are left out), buffer_bytes (size of the backlog, 1 MiB),
    tags (a mapping, or "a=1,b=2": context from the start), job_id, protocol ("ndjson" or "msgpack"), disabled, quiet
    (nothing on stderr), debug (each connection is told of on stderr), ack ("memory" or "disk": records are kept until the sidecar acknowledges them), token,
    before_send (a function of {"type", "data"} that returns it, edited, or None to leave the record out), sample_s
    (seconds between records of this process's own use of resources; 0: none).
    """

    def __init__(self, source: Any = None, tcp_host: Any = None, tcp_port: Any = None, **options: Any) -> None:
        given = {"source": source, "tcp_host": tcp_host, "tcp_port": tcp_port, **options}
        self.settings: Settings = read_settings(given)
        self.disabled = self.settings.disabled
        self.closed = False
        self._spans: Dict[str, _Span] = {}
        self._context: Dict[str, Any] = {}
        self._job = self._env_job = self.settings.job_id
        self._job_over = False
        self._trace = ""
        self._inherited = self._remote = parse_traceparent(os.environ.get("TRACEPARENT")) or NOWHERE
        self._unknown_spans = 0
        self._open: "contextvars.ContextVar[Optional[_Span]]" = contextvars.ContextVar("monitoring_span", default=None)
        self._encode: Callable[[Any], bytes] = to_msgpack if self.settings.is_msgpack else to_json
        self._end = b"" if self.settings.is_msgpack else b"\n"
        self._stamp = (0, "")
        self._begin_process()
        if not self.disabled:
            self._open_link()

    def _open_link(self) -> None:
        settings = self.settings
        hello = self._hello if settings.ack or settings.token else None
        try:
            self._context = {clean_text(key): plain(value) for key, value in settings.tags.items()}
            if settings.unknown:
                self._notice(f"unknown option {', '.join(settings.unknown)}")
            self._link = Link(resolve(settings.host, settings.port), settings.buffer_bytes, self._notice, hello, bool(settings.ack))
            self._link.debug = settings.debug
            self._link.connect()
        except Exception as error:
            self._notice(f"cannot reach {settings.host}: {error}; nothing will be delivered")
            self.disabled = True
        if self._to_sample and not self.disabled:
            self._sample_cpu(first=True)

    # ---- interface ----------------------------------------------------------------------------------------------

    def log_event(self, level: Any = "info", message: Any = "", context: Any = None) -> bool:
        """An event. Levels: trace, debug, info, warn, error, fatal; the usual other names are understood."""
        return self._safely(self._event, level, message, context)

    def log_metric(self, name: Any, value: Any, unit: Any = None, tags: Any = None) -> bool:
        """A finite number, or text that reads as one; else the record is dropped and counted."""
        return self._safely(self._metric, name, value, unit, tags)

    def log_progress(self, job_id: Any, percent: Any, status: Any = None, **more: Any) -> bool:
        """How far a job is, 0 to 100; `more`: message, current, total."""
        return self._safely(self._progress, job_id, percent, status, more)

    def log_resource(self, cpu: Any = None, memory: Any = None, disk: Any = None, network: Any = None, **more: Any) -> bool:
        """cpu in percent, memory in MB, disk and network in MB since the last record."""
        return self._safely(self._resource, {"cpu": cpu, "memory": memory, "disk": disk, "network": network, **more})

    def start_span(self, name: Any, parent: Any = None, traceparent: Any = None) -> str:
        """Begins a span, a child of the one that is open in this context; its id, 16 hexadecimal digits."""
        return self._safely(self._start_span, name, parent, traceparent) or NO_SPAN

    def end_span(self, span_id: Any, status: Any = "success", message: Any = None, attributes: Any = None) -> bool:
        """Ends a span. One that is not open is counted, and nothing else."""
        return self._safely(self._end_span, span_id, status, message, attributes)

    def set_context(self, key: Any, value: Any) -> bool:
        """What goes with every record from now on; None takes it out. `job_id` and `trace_id` are special."""
        return self._safely(self._set_context, key, value)

    def continue_trace(self, traceparent: Any = None) -> bool:
        """Takes up a trace for what is outside of spans; None goes back to what the process inherited."""
        return self._safely(self._continue_trace, traceparent)

    def traceparent(self) -> Optional[str]:
        """W3C Trace Context of the open span, for queue items and headers; None outside of spans."""
        trace, span = self._place()
        return f"00-{trace}-{span}-01" if span else None

    def child_env(self) -> Dict[str, str]:
        """A copy of the environment with what a child process needs to continue the trace and the job."""
        env = dict(os.environ)
        if self.disabled:
            return env
        env.update(MONITORING_HOST=self.settings.host, MONITORING_PORT=str(self.settings.port))
        parent = self.traceparent()
        if parent:
            env["TRACEPARENT"] = parent
        if self._job is not None:
            env["MONITORING_JOB_ID"] = self._job
        return env

    def flush(self, timeout_s: Any = 1.0) -> bool:
        """Whether the kernel has everything, with `ack` whether the sidecar has acknowledged it, within so many seconds.
        False at once in a signal handler that interrupts a call."""
        return self._flush(timeout_s, float("inf"))

    def close(self, timeout_s: Any = CLOSE_S) -> bool:
        """Ends open spans as `abandoned`, flushes, closes. Gives up after 0.2 s without a sidecar; idempotent. Asked by a
        signal handler in the middle of a call, it is done when that call ends."""
        if self.disabled or self.closed:
            return True
        self._close_asked = self._is_busy()
        if self._close_asked:
            return False
        flushed = self._finish(timeout_s)
        with self._lock:
            if self.closed:
                return True
            self.closed = True
            if self.settings.ack and self._link.ask(self._control("bye")):
                self._link.drain()
            self._link.end()
        return flushed

    def stats(self) -> Dict[str, Any]:
        """accepted = sent + queued + the sum of dropped; besides queued_bytes, connected, connects, unknown_spans."""
        if self.disabled:
            return {"accepted": 0, "sent": 0, "queued": 0, "dropped": {}}
        with self._lock:
            link = self._link
            counts = {"accepted": link.accepted, "sent": link.sent, "queued": len(link.frames), "dropped": dict(link.dropped)}
            state = {"queued_bytes": link.queued_bytes, "connected": link.up, "connects": link.connects}
            return {**counts, **state, "unknown_spans": self._unknown_spans}

    # ---- safety -------------------------------------------------------------------------------------------------

    def _safely(self, work: Callable[..., Any], *given: Any) -> Any:
        """Runs `work` so that none of it reaches the host, but for what a signal handler of the host's own raises meanwhile.
        A record logged by an argument that is read is counted, not sent; that of a signal handler follows the one it interrupts."""
        if self.disabled:
            return False
        if self._pid != os.getpid():
            self._begin_process()
        busy = self._busy
        depth = busy.depth
        if depth and not _interrupts(sys._getframe(1)):
            self._drop("encode")
            return False
        busy.depth = depth + 1
        try:
            return work(*given)
        except Exception as error:
            self._drop("encode")
            pass_on(error)
            return False
        finally:
            busy.depth = depth
            if busy.later and not depth:
                self._catch_up()
            if self._close_asked:
                self.close()

    def _is_busy(self) -> bool:
        """Whether this thread is in the middle of a call already: a signal handler asks, or an argument that is read."""
        return self._busy.depth > 0

    def _catch_up(self) -> None:
        """Sends what signal handlers logged in the middle of a call."""
        later, self._busy.later = self._busy.later, ()
        for record in later:
            self._safely(self._offer, *record)

    def _drop(self, why: str) -> bool:
        with self._lock:
            return self._link.drop(why)

    def _begin_process(self) -> None:
        """Memory only. A forked child keeps the context and where it is in the trace, nothing else."""
        if hasattr(self, "_pid"):
            self._remote = self._place()
            self._open = contextvars.ContextVar("monitoring_span", default=None)
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._busy = _Busy()
        self._close_asked = False
        self._to_sample = self.settings.sample_s > 0
        self._spans = {}
        self._unknown_spans = 0
        self._helper: Optional[threading.Thread] = None
        if not self.disabled and hasattr(self, "_link"):
            self._link.begin()

    def _offer(self, make: Callable[[int], Optional[bytes]], important: bool) -> bool:
        if self._busy.depth > 1:
            self._busy.later += ((make, important),)
            return True
        with self._lock:
            if self._to_sample:  # the first record of a forked child
                self._sample_cpu(first=True)
            frame = make(self._link.seq + 1)
            if frame is None:
                return self._link.drop("oversize")
            kept = self._link.offer(frame, important)
            if self._link.frames and self._helper is None and not sys.is_finalizing() and not _ENDING:
                self._start_helper()
            loss, self._link.loss = self._link.loss, None
        if loss:
            self._record("sdk", {"dropped": loss}, "context")
        return kept

    def _start_helper(self) -> None:
        """Drains what is backed up, and ends when nothing is."""
        self._helper = threading.Thread(target=self._help, name="monitoring-sdk", daemon=True)
        try:
            self._helper.start()
        except RuntimeError:
            self._helper = None

    def _help(self) -> None:
        while True:
            time.sleep(HELPER_S)
            with self._lock:
                if self._pid != os.getpid() or self.closed:
                    return
                self._link.drain()
                if not self._link.frames:
                    self._helper = None
                    return

    def _finish(self, timeout_s: Any) -> bool:
        for span in list(self._spans.values())[::-1]:
            self._safely(self._end_span, span.id, "abandoned", None, None)
        if self._flush(timeout_s, ABSENT_S):
            return True
        self._notice(f"{len(self._link.frames)} records could not be delivered")
        return False

    def _flush(self, timeout_s: Any, absent_s: float) -> bool:
        if self.disabled:
            return True
        if self._is_busy():
            return False
        limit_s = float(timeout_s) if isinstance(timeout_s, (int, float)) and timeout_s == timeout_s else CLOSE_S
        start_s, asked, link = time.monotonic(), False, self._link
        with self._lock:
            if link.tried_s + 0.1 < start_s:
                link.next_s = 0.0
        while True:
            self._busy.depth = 1
            try:
                with self._lock:
                    link.drain()
                    if not asked and self.settings.ack and link.frames:
                        asked = link.ask(self._control("ping"))
                        link.drain()
                    done, sock, up, to_read = not link.frames, link.sock, link.up, not link.may_send()
            finally:
                self._busy.depth = 0
            if self._busy.later:
                self._catch_up()
                done = False
            if self._close_asked:
                return self.close()
            if done:
                return True
            passed_s = time.monotonic() - start_s
            if passed_s >= limit_s or not up and passed_s >= absent_s:
                return False
            try:
                wait(sock, to_read, 0.02)
            except (OSError, ValueError) as error:
                pass_on(error)  # or closed meanwhile, by another thread

    def _notice(self, text: str) -> None:
        if self.settings.quiet:
            return
        try:
            os.write(2, f"monitoring-sdk[{self.settings.source}]: {text}\n".encode("utf-8", "replace"))
        except OSError:
            pass

    # ---- records ------------------------------------------------------------------------------------------------

    def _event(self, level: Any, message: Any, context: Any) -> bool:
        level = clean_text(level or "info") or "info"
        rank = rank_of(level)
        if rank < self.settings.rank:
            return True
        core = {"level": level, "message": "" if message is None else clean_text(message)}
        return self._record("event", core, "context", context, rank >= WARN)

    def _metric(self, name: Any, value: Any, unit: Any, tags: Any) -> bool:
        number = plain(value if isinstance(value, (int, float)) and not isinstance(value, bool) else float(value))
        if isinstance(number, str):
            number = float(number)
            if number - number != 0:
                return self._drop("encode")
        core = {"name": clean_text("" if name is None else name), "value": number, "unit": None if unit is None else clean_text(unit)}
        return self._record("metric", core, "tags", tags)

    def _progress(self, job_id: Any, percent: Any, status: Any, more: Mapping[str, Any]) -> bool:
        job = self._job if job_id is None else clean_text(job_id)
        percent = _number(percent)
        core = {"job_id": job, "percent": percent, "status": plain(status), **{key: plain(more[key]) for key in sorted(more)}}
        final = isinstance(percent, (int, float)) and percent >= 100 or isinstance(status, str) and bool(_FINAL.match(status))
        return self._record("progress", core, "context", None, final, self._ids(job, self._place()))

    def _resource(self, values: Mapping[str, Any]) -> bool:
        core = {key: _number(values[key]) for key in sorted(values) if values[key] is not None}
        return self._record("resource", core, "context")

    def _record(
        self,
        kind: str,
        core: Dict[str, Any],
        slot: str,
        given: Any = None,
        important: bool = False,
        ids: Optional[Dict[str, str]] = None,
    ) -> bool:
        """One frame: the envelope, the members of its type, and the context merged with what the call gave."""
        if self.closed:
            return self._drop("closed")
        extra = self._context
        if given is not None:
            own = plain(given)
            own = own if isinstance(own, dict) else {"value": own}
            extra = {**extra, **own} if extra else own
            if ids is None and own.get("job_id") is not None:
                ids = self._ids(clean_text(own["job_id"]), self._place())
        if ids is None:
            ids = self._ids(self._job, self._place())
        if self.settings.before_send is not None:
            edited = self.settings.before_send({"type": kind, "data": {**core, slot: dict(extra)}})
            if edited is None:
                return True
            core = {key: plain(value) for key, value in edited["data"].items() if key != slot}
            extra = plain(edited["data"].get(slot) or {})
        return self._offer(lambda seq: self._frame(kind, ids or {}, core, slot, extra, seq), important)

    def _frame(self, kind: str, ids: Dict[str, str], core: Dict[str, Any], slot: str, extra: Dict[str, Any], seq: int) -> Optional[bytes]:
        data = dict(core)
        if extra:
            data[slot] = {key: extra[key] for key in sorted(extra)[:MAX_KEYS]}
        record = {**self._envelope(kind), **ids, "data": data}
        if self.settings.ack:
            record["seq"] = seq
        frame = self._encode(record) + self._end
        if len(frame) > MAX_RECORD_BYTES and extra:
            data[slot] = {"_truncated": True}
            frame = self._encode(record) + self._end
        return frame if len(frame) <= MAX_RECORD_BYTES else None

    def _envelope(self, kind: str) -> Dict[str, Any]:
        us = time.time_ns() // 1000
        second, rest = divmod(us, 1_000_000)
        if self._stamp[0] != second:
            self._stamp = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        timestamp = f"{self._stamp[1]}.{rest // 1000:03d}Z"
        return {"source": self.settings.source, "timestamp": timestamp, "ts_us": us, "type": kind}

    def _control(self, kind: str) -> bytes:
        return self._encode({**self._envelope(kind), "data": {}}) + self._end

    def _hello(self, link: Link) -> bytes:
        """What a connection begins with whose client has a token to show, or wants to hear of its records."""
        data: Dict[str, Any] = {"v": 1, "sdk": f"python/{VERSION}", "pid": os.getpid()}
        if self.settings.ack:
            link.session = link.session or new_id(16)
            data.update(session=link.session, ack=self.settings.ack)
        if self.settings.token:
            data["token"] = self.settings.token
        return self._encode({**self._envelope("hello"), "data": data}) + self._end

    # ---- context and spans --------------------------------------------------------------------------------------

    def _ids(self, job: Optional[str], place: Place) -> Dict[str, str]:
        ids = {}
        if place[0]:
            ids["trace_id"] = place[0]
        if place[1]:
            ids["span_id"] = place[1]
        if job is not None:
            ids["job_id"] = job
        return ids

    def _place(self) -> Place:
        """That of the span open in this context, else of set_context, else what was inherited."""
        span = self._open.get()
        while span is not None and span.id not in self._spans:
            span = span.outer
        if span is not None:
            return span.trace, span.id
        return (self._trace, "") if self._trace else self._remote

    def _set_context(self, key: Any, value: Any) -> bool:
        key = clean_text(key)
        if key == "job_id":
            self._job = self._env_job if value is None else clean_text(value)
            self._job_over = False
        elif key == "trace_id":
            trace = "" if value is None else clean_text(value).replace("-", "").lower()
            if value is not None and not TRACE_ID.fullmatch(trace):
                return False
            self._trace = trace
        else:
            context = dict(self._context)  # other threads read the one they have
            if value is None:
                context.pop(key, None)
            elif key not in context and len(context) >= MAX_CONTEXT_KEYS:
                return False
            else:
                context[key] = plain(value)
            self._context = context
        return True

    def _continue_trace(self, traceparent: Any) -> bool:
        remote = self._inherited if traceparent is None else parse_traceparent(traceparent)
        if remote is None:
            return False
        self._remote = remote
        return True

    def _start_span(self, name: Any, parent: Any, traceparent: Any) -> str:
        above = self._spans.get(parent) if isinstance(parent, str) else None
        place = (above.trace, above.id) if above else parse_traceparent(traceparent) or self._place()
        while len(self._spans) >= MAX_OPEN_SPANS:
            self._end_span(next(iter(self._spans)), "abandoned", None, None)
        core = {"name": clean_text("" if name is None else name)}
        if place[1]:
            core["parent_span_id"] = place[1]
        span = _Span(place[0] or new_id(16), core, self._open.get())
        job = None if self._job_over else self._job
        self._record("span", {"phase": "start", **core}, "attributes", None, False, self._ids(job, (span.trace, span.id)))
        span.core = {**core, "start_us": time.time_ns() // 1000}
        self._spans[span.id] = span
        self._open.set(span)
        return span.id

    def _end_span(self, span_id: Any, status: Any, message: Any, attributes: Any) -> bool:
        span = self._spans.pop(span_id, None) if isinstance(span_id, str) else None
        if span is None:
            self._unknown_spans += 1
            return False
        us = (time.monotonic_ns() - span.start_ns) // 1000
        core = {"phase": "end", **span.core, "duration_us": us, "status": clean_text("success" if status is None else status)}
        if message is not None:
            core["status_message"] = clean_text(message)
        if self._open.get() is span:
            self._open.set(span.outer)
        # A service's next span may start before set_context says for which job; its start must not name the last one.
        self._job_over = not self._spans and self._job != self._env_job
        return self._record("span", core, "attributes", attributes, True, self._ids(self._job, (span.trace, span.id)))

    def _sample_cpu(self, first: bool = False) -> None:
        """Resource use of this process every `sample_s` seconds, by a timer of its own."""
        import resource

        self._to_sample = False
        used = resource.getrusage(resource.RUSAGE_SELF)
        now = (time.monotonic(), used.ru_utime + used.ru_stime)
        if not first:
            cpu = 100 * (now[1] - self._sampled[1]) / max(1e-9, now[0] - self._sampled[0])
            self.log_resource(cpu=round(cpu, 1), memory=round(used.ru_maxrss / 1024, 1), per="process", pid=os.getpid())
        self._sampled = now
        if not self.closed and not _ENDING:
            timer = threading.Timer(self.settings.sample_s, self._sample_cpu)
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError:
                pass  # the system has no thread left


#: Set once the interpreter ends: no thread may be started any more.
_ENDING: List[bool] = []


def _interrupts(frame: Optional[FrameType]) -> bool:
    """Whether a signal handler called in the middle of another call: it was given the frame that it interrupted."""
    while frame is not None and frame.f_code not in _CALLS:
        given: List[Any] = []
        for value in frame.f_locals.values():
            given += value if type(value) is tuple else (value,)
        frame = frame.f_back
        if frame is not None and any(value is frame for value in given):
            return True
    return False


#: In the middle of which a thread is busy.
_CALLS = (Client._safely.__code__, Client._flush.__code__)


def _number(value: Any) -> Any:
    """A number if it reads as one; what comes out of a file is text."""
    if isinstance(value, str):
        try:
            return plain(float(value))
        except ValueError:
            return clean_text(value)
    return plain(value)
