import asyncio
import contextlib
import datetime
import functools
import gc
import inspect
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import weakref

sys.path.insert(0, os.path.dirname(__file__))
SOURCES = os.path.join(os.path.dirname(__file__), "..", "src")
sys.path.insert(0, SOURCES)

from fake import Fake, free_port  # noqa: E402

import monitoring_sdk  # noqa: E402
from monitoring_sdk import Client  # noqa: E402
from monitoring_sdk._msgpack import to_msgpack  # noqa: E402
from monitoring_sdk._values import plain  # noqa: E402
from monitoring_sdk.handler import MonitoringHandler  # noqa: E402


class WithFake(unittest.TestCase):
    def setUp(self):
        self.fake = Fake()
        self.client = Client("test", "127.0.0.1", self.fake.port, quiet=True)

    def tearDown(self):
        self.client.close()
        self.fake.close()


class Wire(WithFake):
    def test_every_kind_of_record(self):
        self.client.set_context("region", "eu")
        self.client.log_event("warning", 'a "text"\n\x08', {"a": 1, "b": 2.0, "c": None, "d": [1, True], "e": b"abc"})
        self.client.log_metric("rows", "3", "count", {"t": 1})
        self.client.log_progress("job-1", 120, "completed", total=5, current=5)
        self.client.log_resource(cpu=1.5, memory=200, network=3)
        event, metric, progress, resource = self.fake.wait(4)
        self.assertEqual(list(event), ["source", "timestamp", "ts_us", "type", "data"])
        self.assertEqual(event["data"]["message"], 'a "text"\n\x08')
        self.assertIn(rb"\u0008", self.fake.lines[0])
        self.assertIn(rb'"context":{"a":1,"b":2,"c":null,"d":[1,true],"e":"base64:YWJj","region":"eu"}', self.fake.lines[0])
        self.assertEqual(metric["data"], {"name": "rows", "value": 3, "unit": "count", "tags": {"region": "eu", "t": 1}})
        self.assertEqual(progress["job_id"], "job-1")
        self.assertEqual(list(progress["data"]), ["job_id", "percent", "status", "current", "total", "context"])
        self.assertEqual(resource["data"], {"cpu": 1.5, "memory": 200, "network": 3, "context": {"region": "eu"}})
        at = datetime.datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
        self.assertLess(abs(at.timestamp() * 1e6 - event["ts_us"]), 1000)

    def test_values_within_limits(self):
        cyclic = {}
        cyclic["self"] = cyclic
        deep = []
        for _ in range(12):
            deep = [deep]
        value = {
            "nan": float("nan"), "inf": float("-inf"), "big": 2**60, "float": 2.0**60, "bad": "a\ud800", "cyclic": cyclic, "deep": deep,
            "many": list(range(300)), "at": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), "text": "é" * 9000,
        }  # fmt: skip
        found = plain(value)
        self.assertEqual((found["nan"], found["inf"]), ("NaN", "-Infinity"))
        self.assertEqual((found["big"], found["float"]), (str(2**60), str(2**60)))
        self.assertEqual((found["bad"], found["cyclic"]), ("a\ufffd", {"self": "<cyclic>"}))
        self.assertIn("<depth>", json.dumps(found["deep"]))
        self.assertEqual((len(found["many"]), found["at"]), (256, "2026-01-02T00:00:00Z"))
        self.assertEqual(len(found["text"].encode()), 8192)
        self.assertEqual(len(plain({str(n): n for n in range(200)})), 128)

    def test_of_what_is_shared_widely_no_more_is_made_than_a_record_takes(self):
        for leaf in (1, "", [], {}, "x" * 8000, bytes(8000), object()):
            for around in (lambda inner: [inner] * 100, lambda inner: {n: inner for n in range(100)}):
                shared = leaf
                for _ in range(6):
                    shared = around(shared)
                self.assertLess(len(json.dumps(plain(shared))), 4_000_000)
        shared = 1
        for _ in range(4):
            shared = [shared] * 100
        self.assertGreater(len(to_msgpack(plain(shared))), 65_536)

    def test_a_record_that_is_too_large_loses_its_context_then_is_dropped(self):
        self.client.log_event("info", "large", {str(n): "x" * 8000 for n in range(20)})
        self.assertEqual(self.fake.wait(1)[0]["data"]["context"], {"_truncated": True})

    def test_spans(self):
        outer = self.client.start_span("outer")
        with self.assertRaisesRegex(ValueError, "boom"):
            with monitoring_sdk.span("inner", client=self.client):
                self.client.log_event("info", "inside")
                raise ValueError("boom")
        self.assertTrue(self.client.end_span(outer, "success", attributes={"rows": 1}))
        self.assertFalse(self.client.end_span(outer))
        self.assertEqual(self.client.stats()["unknown_spans"], 1)
        start, inner_start, inside, inner, end = self.fake.wait(5)
        self.assertEqual({record["trace_id"] for record in self.fake.records()}, {start["trace_id"]})
        self.assertEqual(inner["data"]["parent_span_id"], outer)
        self.assertEqual((inner["data"]["status"], inner["data"]["status_message"]), ("error", "ValueError: boom"))
        self.assertEqual(inside["span_id"], inner_start["span_id"])
        self.assertEqual(end["data"]["attributes"], {"rows": 1})

    def test_a_traced_coroutine_is_a_span_until_it_ends(self):
        async def load():
            await asyncio.sleep(0)
            monitoring_sdk.log_event("info", "loading")
            raise ValueError("no such file")

        self.client.close()
        self.client = monitoring_sdk.init("traced", "127.0.0.1", self.fake.port, quiet=True)
        self.assertTrue(inspect.iscoroutinefunction(monitoring_sdk.traced(load)))
        with self.assertRaises(ValueError):
            asyncio.run(monitoring_sdk.traced(load)())
        start, event, end = self.fake.wait(3)
        self.assertEqual(event.get("span_id"), start["span_id"])
        self.assertEqual((end["data"]["status"], end["data"]["status_message"]), ("error", "ValueError: no such file"))

    def traced(self, work):
        """`work`, traced by a client of its own that is the module's."""
        self.client.close()
        self.client = monitoring_sdk.init("traced", "127.0.0.1", self.fake.port, quiet=True)
        return monitoring_sdk.traced(work)

    def spans(self, count):
        """Of so many records: each event's span by the event's text, and how each span ended, by its name."""
        records = self.fake.wait(count)
        self.assertEqual(len(records), count)
        names = {one["span_id"]: one["data"]["name"].split(".")[-1] for one in records if one["type"] == "span"}
        events = {one["data"]["message"]: names.get(one.get("span_id")) for one in records if one["type"] == "event"}
        ends = [one for one in records if one["type"] == "span" and one["data"]["phase"] == "end"]
        return events, {names[one["span_id"]]: (one["data"]["status"], one["data"].get("status_message")) for one in ends}

    def test_a_traced_generator_is_a_span_of_its_steps(self):
        def rows(count):
            with monitoring_sdk.span("inner"):
                got = []
                for n in range(count):
                    monitoring_sdk.log_event("info", f"row {n}")
                    try:
                        got.append((yield n))
                    except KeyError as error:
                        got.append(error)
            monitoring_sdk.log_event("info", "last")
            return got

        traced = self.traced(rows)
        self.assertTrue(inspect.isgeneratorfunction(traced))
        waiting = traced(3)
        monitoring_sdk.log_event("info", "before")
        with monitoring_sdk.span("caller"):
            self.assertEqual(next(waiting), 0)
            monitoring_sdk.log_event("info", "between")
        error = KeyError("k")
        self.assertEqual((waiting.send("a"), waiting.throw(error)), (1, 2))
        monitoring_sdk.log_event("info", "outside")
        with self.assertRaises(StopIteration) as end:
            next(waiting)
        monitoring_sdk.log_event("info", "after")
        self.assertEqual(end.exception.value, ["a", error, None])
        events, ends = self.spans(14)
        of_rows = {"row 0": "inner", "row 1": "inner", "row 2": "inner", "last": "rows"}
        of_caller = {"before": None, "between": "caller", "outside": None, "after": None}
        self.assertEqual(events, {**of_rows, **of_caller})
        self.assertEqual(ends, {"caller": ("success", None), "inner": ("success", None), "rows": ("success", None)})
        parents = {one["data"]["name"].split(".")[-1]: one["data"].get("parent_span_id") for one in self.fake.records() if one["type"] == "span"}
        self.assertEqual((parents["caller"], bool(parents["rows"])), (None, True))

    def test_a_traced_generator_that_is_left_or_fails_ends_its_span(self):
        closed = []

        def rows(fails):
            try:
                yield 1
                if fails:
                    raise ValueError("no row")
                yield 2
            finally:
                closed.append(fails)

        traced = self.traced(rows)
        traced(False)  # never begun: no span
        for _ in traced(False):
            break
        gc.collect()
        self.assertEqual(closed, [False])
        with self.assertRaisesRegex(ValueError, "no row"):
            list(traced(True))
        ends = [one["data"] for one in self.fake.wait(4) if one["data"]["phase"] == "end"]
        self.assertEqual([(one["status"], one.get("status_message")) for one in ends], [("success", None), ("error", "ValueError: no row")])

    def test_a_traced_asynchronous_generator_is_a_span_of_its_steps(self):
        async def rows(count):
            for n in range(count):
                await asyncio.sleep(0)
                monitoring_sdk.log_event("info", f"row {n}")
                try:
                    yield n
                except KeyError:
                    monitoring_sdk.log_event("info", "caught")
            raise ValueError("no more")

        traced = self.traced(rows)
        self.assertTrue(inspect.isasyncgenfunction(traced))

        async def read():
            waiting = traced(3)
            with monitoring_sdk.span("caller"):
                self.assertEqual(await waiting.__anext__(), 0)
                monitoring_sdk.log_event("info", "between")
            self.assertEqual(await asyncio.ensure_future(waiting.athrow(KeyError("k"))), 1)
            monitoring_sdk.log_event("info", "outside")
            with self.assertRaisesRegex(ValueError, "no more"):
                async for _ in waiting:
                    pass
            left = traced(2)
            await left.__anext__()
            await left.aclose()
            monitoring_sdk.log_event("info", "after")

        asyncio.run(read())
        events, _ = self.spans(14)
        of_rows = {"row 0": "rows", "row 1": "rows", "row 2": "rows", "caught": "rows"}
        self.assertEqual(events, {**of_rows, "between": "caller", "outside": None, "after": None})
        ends = [one["data"] for one in self.fake.records() if one["data"].get("phase") == "end"]
        self.assertEqual([one["status"] for one in ends], ["success", "error", "success"])

    def test_an_exit_without_an_error_ends_a_span_well(self):
        def leave(code):
            with monitoring_sdk.span("main", client=self.client):
                sys.exit(code)

        for code in (0, None, 3):
            self.assertRaises(SystemExit, leave, code)
        ends = [record["data"]["status"] for record in self.fake.wait(6) if record["data"]["phase"] == "end"]
        self.assertEqual(ends, ["success", "success", "error"])

    def test_threads_do_not_see_each_other_s_spans(self):
        span = self.client.start_span("mine")
        place = []
        thread = threading.Thread(target=lambda: place.append(self.client.traceparent()))
        thread.start()
        thread.join()
        self.assertEqual(place, [None])
        self.assertIn(span, self.client.traceparent())

    def test_the_environment_of_children(self):
        self.client.set_context("job_id", "job-9")
        span = self.client.start_span("parent")
        env = self.client.child_env()
        self.assertRegex(env["TRACEPARENT"], f"^00-[0-9a-f]{{32}}-{span}-01$")
        self.assertEqual((env["MONITORING_JOB_ID"], env["MONITORING_PORT"]), ("job-9", str(self.fake.port)))
        self.assertNotIn("TRACEPARENT", os.environ)

    def test_a_level_without_text_is_the_default_one(self):
        class Empty:
            def __str__(self):
                return ""

        for level in (None, "", 0, Empty()):
            self.client.log_event(level, "which")
        self.assertEqual([record["data"]["level"] for record in self.fake.wait(4)], ["info"] * 4)

    def test_before_send_edits_and_drops(self):
        def edit(record):
            if record["data"].get("message") == "secret":
                return None
            record["data"]["message"] = "changed"
            return record

        client = Client("edits", "127.0.0.1", self.fake.port, before_send=edit, quiet=True)
        client.log_event("info", "secret")
        client.log_event("info", "plain", {"k": 1})
        self.assertEqual(self.fake.wait(1)[0]["data"], {"level": "info", "message": "changed", "context": {"k": 1}})
        client.close()

    def test_logging_records_become_events(self):
        logger = logging.getLogger("app.db")
        logger.addHandler(MonitoringHandler(self.client))
        logger.propagate = False
        try:
            raise KeyError("k")
        except KeyError:
            logger.exception("failed %d", 7, extra={"rows": 3})
        logger.warning("here", stack_info=True)
        data, here = (record["data"] for record in self.fake.wait(2))
        self.assertEqual((data["level"], data["message"], data["context"]["rows"]), ("error", "failed 7", 3))
        exception = data["context"]["exception"]
        self.assertEqual((exception["type"], exception["message"]), ("KeyError", "'k'"))
        self.assertRegex(exception["stack"], r"^Traceback [^\0]*test_sdk.py[^\0]*raise KeyError[^\0]*KeyError: 'k'$")
        self.assertRegex(here["context"]["stack"], "^Stack .*[^\0]*stack_info=True")

    def test_of_a_long_traceback_the_end_arrives(self):
        def deep(levels):
            return deeper(levels - 1) if levels else 1 / 0

        def deeper(levels):
            return deep(levels)

        logger = logging.getLogger("test-deep")
        logger.propagate = False
        logger.addHandler(MonitoringHandler(self.client))
        try:
            deep(100)
        except ZeroDivisionError:
            logger.exception("failed")
        self.assertRegex(self.fake.wait(1)[0]["data"]["context"]["exception"]["stack"], "1 / 0[^\0]*ZeroDivisionError: division by zero$")

    def test_an_exception_without_a_text_does_not_reach_who_logs_it(self):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError("no text")

        logger = logging.getLogger("test-mute")
        logger.propagate = False
        logger.addHandler(MonitoringHandler(self.client))
        try:
            raise Mute
        except Mute as error:
            logger.exception("failed")
            logger.warning(error)
        first, second = self.fake.wait(2)
        exception = first["data"]["context"]["exception"]
        self.assertEqual((exception["type"], exception["message"]), ("Mute", "<unprintable>"))
        self.assertIn("raise Mute", exception["stack"])
        self.assertEqual(second["data"]["message"], "<unprintable>")

    def test_messagepack(self):
        self.assertEqual(to_msgpack({"a": [1, -1, 200, -200, 70000, -70000, 2**40, -(2**40), 1.5, None, True, "x" * 40]}).hex(),
            "81a1619c01ffccc8d1ff38ce00011170d2fffeee90cf0000010000000000d3ffffff0000000000cb3ff8000000000000c0c3d928" + "78" * 40)  # fmt: skip


class Safety(unittest.TestCase):
    def test_no_argument_raises(self):
        class Bad:
            def __str__(self):
                raise RuntimeError("no")

        class Logs:
            def __init__(self, client):
                self.client = client

            def __str__(self):
                self.client.log_event("info", "again")
                return "logs"

        client = Client("fuzz", "127.0.0.1", free_port(), quiet=True, buffer_bytes=50000)
        values = [None, "", "\ud800", "x" * 100000, 0, -1, 2**70, float("nan"), b"\xff", [], {}, {1: 2}, {Bad(): Bad()}, Bad(), Logs(client),
            object(), print, set([1]), (1, [2]), datetime.date(2026, 1, 1), datetime.datetime.now(), True, 10**5000, lambda: 0, Exception("x")]  # fmt: skip
        chance = random.Random(int(os.environ.get("FUZZ_SEED", "1")))
        calls = [client.log_event, client.log_metric, client.log_progress, client.log_resource, client.start_span, client.end_span, client.set_context]
        counts = {client.log_event: 3, client.log_metric: 4, client.log_progress: 3, client.log_resource: 4, client.start_span: 3, client.end_span: 4, client.set_context: 2}
        for _ in range(10_000):
            call = chance.choice(calls)
            call(*(chance.choice(values) for _ in range(counts[call])))
        stats = client.stats()
        self.assertEqual(stats["accepted"], stats["sent"] + stats["queued"] + sum(stats["dropped"].values()))
        self.assertLessEqual(stats["queued_bytes"], 50000)
        self.assertGreater(stats["dropped"]["encode"], 0)
        client.close()

    def test_init_takes_any_source(self):
        class Mute:
            def __repr__(self):
                raise RuntimeError("no text")

        client = monitoring_sdk.init(Mute(), "127.0.0.1", free_port(), quiet=True, tags={"a": Mute()})
        self.assertEqual(client.settings.source, "<unprintable>")
        client.close()

    def test_init_gives_the_same_client_for_the_same_arguments_and_only_for_them(self):
        def edit(record):
            return record

        port = free_port()

        def make(job):
            return monitoring_sdk.init("same", "127.0.0.1", port, quiet=True, job_id=int(job), tags={"env": "test"}, before_send=edit)

        clients = [make(str(job)) for job in range(100_000, 100_005)]
        self.assertEqual([client.settings.job_id for client in clients], [str(job) for job in range(100_000, 100_005)])
        self.assertIs(make("100004"), clients[-1])
        forgotten = weakref.ref(clients[0])
        for client in clients:
            client.close(0)
        del client, clients
        self.addCleanup(make("1").close, 0)
        gc.collect()
        self.assertIsNone(forgotten())

    def test_init_where_the_program_took_all_of_its_arguments(self):
        given, sys.argv = sys.argv, []
        self.addCleanup(setattr, sys, "argv", given)
        client = Client(None, "127.0.0.1", free_port(), quiet=True)
        self.addCleanup(client.close, 0)
        self.assertEqual(client.settings.source, "python")

    def test_methods_of_classes_can_be_traced_outside_and_inside(self):
        traced = monitoring_sdk.traced

        class Table:
            of_class = traced(classmethod(lambda cls, n: (cls, n)))
            of_none = traced(staticmethod(lambda n: n))
            inner_class = classmethod(traced(lambda cls, n: (cls, n)))
            inner_none = staticmethod(traced(lambda n: n))

            @traced
            @classmethod
            async def later(cls):
                return cls

        class Orders(Table):
            pass

        for owner in (Orders, Orders()):
            self.assertEqual((owner.of_class(1), owner.inner_class(2)), ((Orders, 1), (Orders, 2)))
            self.assertEqual((owner.of_none(3), owner.inner_none(4)), (3, 4))
            self.assertIs(asyncio.run(owner.later()), Orders)

    def test_what_has_no_name_can_be_traced(self):
        self.assertEqual(monitoring_sdk.traced(functools.partial(int, "3"))(), 3)

    def test_what_a_signal_handler_raises_reaches_the_program(self):
        class Limit(Exception):
            pass

        def passed(*_):
            raise Limit

        def edit(record):
            if record["data"]["message"] == "slow":
                signal.raise_signal(signal.SIGALRM)
            return record

        before = signal.signal(signal.SIGALRM, passed)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        fake = Fake()
        self.addCleanup(fake.close)
        client = Client("limit", "127.0.0.1", fake.port, quiet=True, before_send=edit)
        self.addCleanup(client.close)
        self.assertRaises(Limit, client.log_event, "info", "slow")
        self.assertTrue(client.log_event("info", "quick"))
        self.assertEqual([record["data"]["message"] for record in fake.wait(1)], ["quick"])
        self.assertEqual((client.stats()["accepted"], client.stats()["dropped"]["encode"]), (2, 1))

    def test_a_time_limit_that_is_an_oserror_ends_a_flush(self):
        def passed(*_):
            raise TimeoutError("limit")

        before = signal.signal(signal.SIGALRM, passed)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        client = Client("limit", "127.0.0.1", free_port(), quiet=True)
        self.addCleanup(client.close)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        client.log_event("info", "waits")
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        self.assertRaises(TimeoutError, client.flush, 5)

    def test_a_record_that_was_sent_when_a_signal_struck_is_not_sent_again(self):
        def passed(*_):
            raise TimeoutError("limit")

        def strike(_frame, event, function):
            if event == "c_return" and function.__name__ == "send":
                sys.setprofile(None)
                signal.raise_signal(signal.SIGALRM)

        before = signal.signal(signal.SIGALRM, passed)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        fake = Fake()
        self.addCleanup(fake.close)
        client = Client("limit", "127.0.0.1", fake.port, quiet=True)
        self.addCleanup(client.close)
        sys.setprofile(strike)
        self.assertRaises(TimeoutError, client.log_event, "info", "struck")
        client.log_event("info", "next")
        self.assertTrue(client.flush(15))
        self.assertEqual([record["data"]["message"] for record in fake.wait(2)], ["struck", "next"])
        self.assertEqual((client.stats()["sent"], client.stats()["queued_bytes"]), (2, 0))

    def test_what_a_signal_handler_logs_in_the_middle_of_a_call_follows(self):
        fake = Fake()
        self.addCleanup(fake.close)
        client = Client("handled", "127.0.0.1", fake.port, quiet=True)
        handled = []

        class Handler:
            def log(self, number, frame):
                handled.append(number)
                client.log_event("info", "handled")

            def __call__(self, *given):
                self.log(*given)

        before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        for handler in (Handler().log, Handler(), functools.partial(Handler().log), lambda *given: Handler().log(*given)):
            signal.signal(signal.SIGALRM, handler)
            until = len(handled) + 100
            while len(handled) < until:
                signal.setitimer(signal.ITIMER_REAL, 0.0001)
                for _ in range(5):
                    client.log_event("info", "x" * 300)
                    client.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.assertTrue(client.flush(60))
        stats = client.stats()
        self.assertEqual(sum(stats["dropped"].values()), 0)
        messages = [record["data"]["message"] for record in fake.wait(stats["accepted"])]
        self.assertEqual(messages.count("handled"), len(handled))
        client.close()

    def test_a_signal_handler_that_closes_in_the_middle_of_a_call(self):
        def stop(*_):
            said.append((client.log_event("warn", "stopping"), client.flush(), client.close()))

        def edit(record):
            if record["data"]["message"] == "interrupted":
                signal.raise_signal(signal.SIGTERM)
            return record

        said = []
        before = signal.signal(signal.SIGTERM, stop)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        fake = Fake()
        self.addCleanup(fake.close)
        client = Client("stops", "127.0.0.1", fake.port, quiet=True, before_send=edit)
        self.assertTrue(client.log_event("info", "interrupted"))
        self.assertEqual(said, [(True, False, False)])
        self.assertTrue(client.closed)
        self.assertEqual([record["data"]["message"] for record in fake.wait(2)], ["interrupted", "stopping"])
        self.assertEqual((client.stats()["sent"], client.stats()["dropped"]["encode"]), (2, 0))

    def test_signal_handlers_that_flush_meanwhile_send_nothing_twice(self):
        fake = Fake()
        self.addCleanup(fake.close)
        client = Client("twice", "127.0.0.1", fake.port, quiet=True)
        self.addCleanup(client.close)
        before = signal.signal(signal.SIGALRM, lambda *_: client.flush())
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
        for number in range(10_000):
            client.log_event("info", str(number))
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.assertTrue(client.flush(15))
        self.assertEqual([record["data"]["message"] for record in fake.wait(10_000)], [str(number) for number in range(10_000)])

    def test_arguments_are_left_as_they_are(self):
        client = Client("keeps", "127.0.0.1", free_port(), quiet=True)
        context = {"b": [1, {"c": 2}], "a": "x"}
        before = json.dumps(context)
        client.log_event("info", "x", context)
        self.assertEqual(json.dumps(context), before)
        client.close()

    def test_the_last_fifth_is_for_what_is_important(self):
        client = Client("full", "127.0.0.1", free_port(), quiet=True, buffer_bytes=20000)
        while client.log_event("info", "ordinary"):
            pass
        self.assertTrue(client.log_event("error", "important"))
        self.assertFalse(client.log_event("info", "ordinary"))
        started = time.monotonic()
        self.assertFalse(client.close())
        self.assertLess(time.monotonic() - started, 5)
        self.assertFalse(client.log_event("info", "closed"))
        self.assertGreater(client.stats()["dropped"]["closed"], 0)

    def test_a_sidecar_that_never_reads_stops_nobody(self):
        fake = Fake(reads=False)
        client = Client("stuck", "127.0.0.1", fake.port, quiet=True, buffer_bytes=100000)
        slowest = 0.0
        for _ in range(20000):
            started = time.monotonic()
            client.log_event("info", "x" * 1000)
            slowest = max(slowest, time.monotonic() - started)
        self.assertLess(slowest, 5)
        self.assertGreater(client.stats()["dropped"]["full"], 0)
        client.close(0.1)
        fake.close()

    def test_disabled_costs_nothing(self):
        threads = threading.active_count()
        client = Client("off", disabled=True)
        self.assertFalse(client.log_event("info", "x"))
        self.assertTrue(client.flush() and client.close())
        self.assertEqual(threading.active_count(), threads)


class Delivery(unittest.TestCase):
    def test_a_late_sidecar_and_one_that_goes(self):
        port = free_port()
        client = Client("late", "127.0.0.1", port, quiet=True)
        for n in range(5):
            client.log_event("info", str(n))
        self.assertEqual(client.stats()["queued"], 5)
        fake = Fake(port)
        self.assertTrue(client.flush(10))
        self.assertEqual([record["data"]["message"] for record in fake.wait(5)], ["0", "1", "2", "3", "4"])
        fake.close()
        time.sleep(0.1)
        client.log_event("info", "after")
        again = Fake(port)
        self.assertTrue(client.flush(10))
        self.assertEqual(again.wait(1)[-1]["data"]["message"], "after")
        client.close()
        again.close()

    def test_a_unix_socket_that_has_no_room_for_one_more_is_tried_again(self):
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{directory}/sidecar")
            listener.listen(0)
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(f"{directory}/sidecar")
                client = Client("unix", f"{directory}/sidecar", quiet=True)
                self.addCleanup(client.close)
                client.log_event("info", "waits")
                self.assertEqual(client.stats()["queued"], 1)
                listener.accept()[0].close()
            self.assertTrue(client.flush(4))
            with listener.accept()[0] as taken:
                self.assertIn(b"waits", taken.recv(65_536))

    def test_a_sidecar_that_ends_its_half_gets_no_more_on_it(self):
        fake = Fake()
        client = Client("drained", "127.0.0.1", fake.port, quiet=True)
        client.log_event("info", "before")
        fake.wait(1)
        fake.connections[0].shutdown(socket.SHUT_WR)
        client.log_event("info", "after")
        self.assertTrue(client.flush(10))
        self.assertEqual(len(fake.wait(2)), 2)
        self.assertEqual(client.stats()["connects"], 2)
        client.close()
        fake.close()

    def test_what_is_not_acknowledged_is_sent_again(self):
        port = free_port()
        def answers(upto):
            def answer(sock, record):
                if record["type"] == "hello":
                    sock.sendall(b'{"type":"welcome","data":{"v":1,"last_seq":%d,"window":1000}}\n' % upto)
                elif record["type"] == "event" and record["seq"] <= 2 + upto * 10:
                    sock.sendall(b'{"type":"ack","data":{"seq":%d}}\n' % record["seq"])
            return answer

        fake = Fake(port, answers=answers(0))
        client = Client("acked", "127.0.0.1", port, quiet=True, ack="memory")
        for n in range(3):
            client.log_event("info", str(n))
        fake.wait(4)
        self.assertFalse(client.flush(0.3))
        self.assertEqual((client.stats()["sent"], client.stats()["queued"]), (2, 1))
        fake.close()
        client.log_event("info", "3")
        again = Fake(port, answers=answers(2))
        self.assertTrue(client.flush(10))
        self.assertEqual([r["data"]["message"] for r in again.records() if r["type"] == "event"], ["2", "3"])
        self.assertEqual(client.stats()["sent"], 4)
        client.close()
        again.close()

    def test_what_a_refused_connection_had_is_counted_and_what_comes_then_waits_for_a_welcome(self):
        known = ["new"]
        hellos = []
        def answer(sock, record):
            if record["type"] == "hello":
                hellos.append(record["data"]["token"])
            if hellos[-1] == known[0]:
                if record["type"] == "hello":
                    sock.sendall(b'{"type":"welcome","data":{"v":1}}\n')
            elif len(hellos) > 1 or record["type"] == "event":  # the first connection takes a record before it is refused
                with contextlib.suppress(OSError):
                    sock.sendall(b'{"type":"error","data":{"code":"auth","message":"the token is wrong"}}\n')
                    sock.shutdown(socket.SHUT_WR)

        fake = Fake(answers=answer)
        client = Client("refused", "127.0.0.1", fake.port, quiet=True, token="old")
        end = time.monotonic() + 15
        while client.stats()["dropped"]["refused"] < 1 and time.monotonic() < end:
            client.log_event("info", "refused")
            time.sleep(0.001)
        client.log_event("info", "waits")
        self.assertFalse(client.flush(0.05))
        stats = client.stats()
        self.assertGreater(stats["dropped"]["refused"], 0)
        self.assertEqual((stats["sent"], stats["queued"]), (0, stats["accepted"] - stats["dropped"]["refused"]))
        known[0] = "old"
        self.assertTrue(client.flush(10))
        self.assertEqual(client.stats()["sent"], stats["queued"])
        client.close()
        fake.close()

    def test_a_client_without_a_token_where_one_is_asked_for_counts_what_is_refused_and_says_so_once(self):
        def answer(sock, record):
            with contextlib.suppress(OSError):  # the client has closed
                sock.sendall(b'{"type":"error","data":{"code":"auth","message":"say hello"}}\n')
                sock.shutdown(socket.SHUT_WR)

        fake = Fake(answers=answer)
        program = f"""if True:
            import monitoring_sdk as m
            client = m.Client('none', '127.0.0.1', {fake.port})
            while client.stats()['dropped']['refused'] < 3: client.log_event('info', 'x')
            stats = client.stats()
            assert stats['accepted'] == stats['sent'] + stats['queued'] + stats['dropped']['refused'] + stats['dropped']['full'], stats
        """
        done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": SOURCES}, capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr.count(b" refuses: ")), (0, 1), done.stderr)
        fake.close()

    def test_threads_tear_nothing(self):
        fake = Fake()
        client = Client("threads", "127.0.0.1", fake.port, quiet=True, buffer_bytes=10**8)
        def run(thread):
            for n in range(1000):
                client.log_event("info", f"{thread}-{n}")
        threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(client.flush(20))
        self.assertEqual(len({record["data"]["message"] for record in fake.wait(8000)}), 8000)
        client.close()
        fake.close()


class Processes(unittest.TestCase):
    def run_script(self, port, text):
        script = f"import os, sys, signal\nimport monitoring_sdk as m\nm.init('script', '127.0.0.1', {port}, quiet=True)\n{textwrap.dedent(text)}"
        env = {**os.environ, "PYTHONPATH": SOURCES}
        return subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, timeout=120)

    def test_the_last_record_arrives_however_the_process_ends(self):
        for end in ("pass", "raise SystemExit(3)", "1/0", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)"):
            fake = Fake()
            self.run_script(fake.port, f"m.log_event('info', 'last')\n{end}")
            self.assertEqual([record["data"]["message"] for record in fake.wait(1)], ["last"], end)
            fake.close()

    def test_what_is_printed_on_a_closed_stderr_is_not_sent(self):
        fake = Fake()
        done = self.run_script(fake.port, f"""
            os.close(2)
            client = m.Client('closed', '127.0.0.1', {fake.port}, quiet=True)
            try:
                os.write(2, b'printed' + bytes([10]))
            except OSError:
                pass
            client.log_event('info', 'sent')
        """)
        self.assertEqual(done.returncode, 0)
        self.assertEqual([record["data"]["message"] for record in fake.wait(1)], ["sent"])
        fake.close()

    def test_without_a_free_descriptor_records_wait(self):
        fake = Fake()
        done = self.run_script(fake.port, f"""
            import errno, resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
            held = []
            try:
                while True: held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError as error:
                assert error.errno == errno.EMFILE
            client = m.Client('full', '127.0.0.1', {fake.port}, quiet=True)
            client.log_event('info', 'first')
            assert client.flush(0.3) is False
            client.log_event('info', 'second')
            stats = client.stats()
            assert (stats['accepted'], stats['queued'], stats['dropped']['encode']) == (2, 2, 0), stats
            for fd in held: os.close(fd)
            assert client.flush(5) is True
        """)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual([record["data"]["message"] for record in fake.wait(2)], ["first", "second"])
        fake.close()

    def test_the_exit_waits_for_a_sidecar_that_comes(self):
        port = free_port()
        late = []
        threading.Timer(0.15, lambda: late.append(Fake(port))).start()
        self.run_script(port, "m.log_event('info', 'kept')\nimport time; time.sleep(0.6)")
        self.assertEqual(late[0].wait(1)[0]["data"]["message"], "kept")
        late[0].close()

    def test_forked_children(self):
        fake = Fake()
        done = self.run_script(fake.port, """
            m.set_context('job_id', 'job-1')
            m.log_event('info', 'parent')
            pids = []
            for child in range(8):
                pid = os.fork()
                if pid == 0:
                    for n in range(1000): m.log_event('info', f'{child}-{n}')
                    m.flush(20)
                    os._exit(0)
                pids.append(pid)
            for pid in pids: os.waitpid(pid, 0)
            m.log_event('info', 'parent again')
        """)
        self.assertEqual(done.returncode, 0, done.stderr)
        records = fake.wait(8002, 30)
        self.assertEqual(len({record["data"]["message"] for record in records}), 8002)
        self.assertEqual({record["job_id"] for record in records}, {"job-1"})
        fake.close()

    def test_a_program_that_closes_all_descriptors_and_forks(self):
        fake = Fake()
        self.addCleanup(fake.close)
        done = self.run_script(fake.port, """
            m.log_event('info', 'before')
            os.closerange(3, 64)
            child = os.fork()
            m.log_event('info', 'parent' if child else 'child')
            m.flush(20)
            stats = m.stats()
            if child: os.waitpid(child, 0)
            print(stats['accepted'], stats['sent'])
        """)
        self.assertEqual((done.stdout.split(), done.stderr), ([b"1", b"1", b"2", b"2"], b""))
        self.assertEqual({record["data"]["message"] for record in fake.wait(3)}, {"before", "parent", "child"})

    def test_a_forked_child_samples_its_own_use_of_resources(self):
        fake = Fake()
        self.addCleanup(fake.close)
        done = self.run_script(fake.port, f"""
            m.init('samples', '127.0.0.1', {fake.port}, quiet=True, sample_s=1)
            import time
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                m.log_event('info', 'child')
                while m.stats()['sent'] < 2: time.sleep(0.01)
                os._exit(0)
            os.waitpid(child, 0)
            print(child)
        """)
        self.assertEqual(done.returncode, 0)
        sampled = {record["data"]["pid"] for record in fake.wait(2) if record["type"] == "resource"}
        self.assertIn(int(done.stdout), sampled)

    def test_a_child_of_multiprocessing_ends_as_a_process_does(self):
        fake = Fake()
        self.addCleanup(fake.close)
        done = self.run_script(fake.port, """
            import multiprocessing
            child = multiprocessing.get_context('fork').Process(target=m.start_span, args=('work',))
            child.start()
            child.join()
        """)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual([record["data"].get("status") for record in fake.wait(2)], [None, "abandoned"])


if __name__ == "__main__":
    unittest.main()
