"""Calls the Python SDK as it is told: a command a line on stdin, an answer a line on stdout; see ../README.md."""

import asyncio
import collections
import datetime
import locale
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import quote, unquote_to_bytes

import monitoring_sdk as m
from monitoring_sdk.handler import MonitoringHandler

CONTEXT = {"a": 1, "b": "two", "c": 0.5}


class Throwing:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Empty:
    def __str__(self):
        return ""


class Logging:
    def __str__(self):
        m.log_event("info", "inner")
        return "logged"


def text_of(token):
    raw = unquote_to_bytes(token)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape")


def value(tokens):
    token = tokens.popleft()
    kind, rest = token[0], token[1:]
    if kind in "{[":
        items = []
        while tokens[0] not in ("}", "]"):
            items.append(value(tokens))
        tokens.popleft()
        return dict(zip(items[::2], items[1::2])) if kind == "{" else items
    if kind == "c":
        cycle = {}
        cycle["self"] = cycle
        return cycle
    if kind == "*":
        shared = 1
        for _ in range(4):
            shared = [shared] * 100
        return shared
    simple = {"n": None, "t": True, "f": False, "u": "a\ud800b", "?": lambda: 1}
    if kind in simple:
        return simple[kind]
    if kind == "T":
        return datetime.datetime.fromtimestamp(int(rest), datetime.timezone.utc)
    make = {"i": int, "d": float, "s": text_of, "x": bytes.fromhex, "!": lambda _: Throwing(), "@": lambda _: Logging(), "e": lambda _: Empty()}
    return make[kind](rest)


def before_send(record):
    message = record["data"].get("message")
    if message == "secret":
        return None
    if message == "fault":
        raise RuntimeError("before_send")
    record["data"]["message"] = "edited"
    return record


def init(options=None):
    options = {{"host": "tcp_host", "port": "tcp_port"}.get(key, key): one for key, one in (options or {}).items()}
    if options.get("before_send"):
        options["before_send"] = before_send
    return {"same": int(m.init(**options) is m.init(**options))}


def scoped(name, how):
    try:
        with m.span(name):
            if how == "throw":
                raise ValueError("it broke")
    except ValueError as error:
        return {"rethrown": str(error)}
    return {}


def run_child(*argv):
    return {"status": subprocess.run(argv, env=m.child_env(), stdout=subprocess.DEVNULL).returncode}


def burst(count, level="info"):
    times = []
    for _ in range(count):
        start = time.perf_counter_ns()
        m.log_event(level, "burst", CONTEXT)
        times.append(time.perf_counter_ns() - start)
    times.sort()
    return {"p50": times[count // 2] / 1e3, "p999": times[int(count * 0.999)] / 1e3, "max": times[-1] / 1e3}


def die(message, how):
    m.log_event("info", message)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        sys.exit(0)
    raise RuntimeError("uncaught")


def produce(nth, count, kind):
    for number in range(count):
        if kind == "span":
            m.end_span(m.start_span("s"))
        else:
            m.log_event("info", f"c{nth}", {"n": number})


def fork(children, count, kind):
    pids = []
    for nth in range(1, children + 1):
        pid = os.fork()
        if pid == 0:
            if kind != "idle":
                produce(nth, count, kind)
                m.flush(10)
            sys.exit(0)
        pids.append(pid)
    if kind != "idle":
        produce(0, count, kind)
    return {"failed": sum(os.waitpid(pid, 0)[1] != 0 for pid in pids)}


def threads(number, count):
    running = [threading.Thread(target=produce, args=(nth, count, "event")) for nth in range(number)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    return {}


def siblings():
    async def task(name):
        with m.span(name):
            for _ in range(3):
                await asyncio.sleep(0.01)
                m.log_event("info", name)

    async def both():
        await asyncio.gather(task("a"), task("b"))

    def thread(name):
        with m.span(name):
            for _ in range(3):
                time.sleep(0.01)
                m.log_event("info", name)

    asyncio.run(both())
    running = [threading.Thread(target=thread, args=(name,)) for name in ("c", "d")]
    for one in running:
        one.start()
    for one in running:
        one.join()
    return {}


def state():
    return {"state": repr((sorted(os.environ.items()), os.getcwd(), locale.setlocale(locale.LC_ALL), socket.getdefaulttimeout(),
                           [str(signal.getsignal(one)) for one in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]))}


def mutated(given):
    before = repr(given)
    m.log_event("info", "mutated", given)
    m.set_context("kept", given)
    same = before == repr(given)
    given["later"] = 1
    m.log_event("info", "after")
    return {"same": int(same)}


def bridge(message):
    logging.getLogger().addHandler(MonitoringHandler())
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("app").warning(message)
    return {}


def stats():
    found = m.stats()
    return {**{key: int(one) for key, one in found.items() if key != "dropped"}, **found.get("dropped", {})}


OPERATIONS = {
    "init": init, "scoped": scoped, "run_child": run_child, "burst": burst, "die": die, "fork": fork, "threads": threads,
    "siblings": siblings, "state": state, "mutated": mutated, "bridge": bridge, "stats": stats,
    "ready": lambda: {},
    "event": lambda *given: {"kept": int(m.log_event(*given))},
    "metric": lambda *given: {"kept": int(m.log_metric(*given))},
    "progress": lambda job, percent, status=None, more=None: {"kept": int(m.log_progress(job, percent, status, **(more or {})))},
    "resource": lambda given: {"kept": int(m.log_resource(**given))},
    "set_context": lambda key, given: {"kept": int(bool(m.set_context(key, given)))},
    "start": lambda name, parent=None, traceparent=None: {"id": m.start_span(name, parent, traceparent)},
    "end": lambda *given: {"kept": int(bool(m.end_span(*given)))},
    "continue_trace": lambda given: {"kept": int(bool(m.continue_trace(given)))},
    "traceparent": lambda: {"value": m.traceparent() or ""},
    "child_env": lambda: {key: one for key, one in m.child_env().items() if key.startswith("MONITORING") or key == "TRACEPARENT"},
    "flush": lambda seconds: {"done": int(bool(m.flush(seconds)))},
    "close": lambda: {"done": int(bool(m.close()))},
    "sample": lambda: {},
    "seed": lambda given: random.seed(given) or {},
    "random": lambda: {"value": random.random()},
    "sleep": lambda seconds: time.sleep(seconds) or {},
}  # fmt: skip

for line in sys.stdin.buffer:
    name, *tokens = line.decode().split()
    tokens, given = collections.deque(tokens), []
    while tokens:
        given.append(value(tokens))
    start = time.perf_counter()
    answer = OPERATIONS[name](*given)
    answer = {**answer, "ms": (time.perf_counter() - start) * 1000}
    sys.stdout.write(" ".join(["ok", *(f"{key}={quote(str(one))}" for key, one in answer.items())]) + "\n")
    sys.stdout.flush()
