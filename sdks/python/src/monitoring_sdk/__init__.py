"""Events, metrics, progress, resource use and spans to the monitoring sidecar, over one TCP connection.

    import monitoring_sdk as monitoring

    monitoring.init("db-loader")
    with monitoring.span("load_data"):
        monitoring.log_metric("rows_loaded", 10000, "rows")

The functions are those of the client that `init` made last; before it they do nothing.
"""

import atexit
import contextlib
import functools
import os
import sys
import weakref
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, TypeVar

from . import client as _client
from .client import Client

__all__ = [
    "Client", "init", "log_event", "log_metric", "log_progress", "log_resource", "start_span", "end_span", "span",
    "traced", "set_context", "continue_trace", "traceparent", "child_env", "flush", "close", "stats",
]  # fmt: skip
__version__ = _client.VERSION

_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()
_by_options: Dict[str, Client] = {}
_default: Optional[Client] = None
_F = TypeVar("_F", bound=Callable[..., Any])


def init(source: Any = None, tcp_host: Any = None, tcp_port: Any = None, **options: Any) -> Client:
    """Makes the client that the functions of this module use; the same for the same arguments. Never raises."""
    global _default
    key = repr(_client.plain([source, tcp_host, tcp_port, options]))
    known = _by_options.get(key)
    if known is None or known.closed:
        for old, one in list(_by_options.items()):
            if one.closed:
                _by_options.pop(old, None)
        known = _by_options[key] = Client(source, tcp_host, tcp_port, **options)
        _clients.add(known)
    _default = known
    return known


def _of_default(name: str, otherwise: Any) -> Callable[..., Any]:
    method = getattr(Client, name)

    @functools.wraps(method)
    def call(*given: Any, **named: Any) -> Any:
        return otherwise() if _default is None else getattr(_default, name)(*given, **named)

    return call


log_event = _of_default("log_event", bool)
log_metric = _of_default("log_metric", bool)
log_progress = _of_default("log_progress", bool)
log_resource = _of_default("log_resource", bool)
start_span = _of_default("start_span", lambda: _client.NO_SPAN)
end_span = _of_default("end_span", bool)
set_context = _of_default("set_context", bool)
continue_trace = _of_default("continue_trace", bool)
traceparent = _of_default("traceparent", lambda: None)
child_env = _of_default("child_env", lambda: dict(os.environ))
flush = _of_default("flush", lambda: True)
close = _of_default("close", lambda: True)
stats = _of_default("stats", dict)


_SUCCESS: Tuple[str, Optional[str]] = ("success", None)


def _status_of(error: BaseException) -> Tuple[str, Optional[str]]:
    """sys.exit() and sys.exit(0) are no failure, nor is a generator that is closed."""
    if isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code):
        return _SUCCESS
    return "error", f"{type(error).__name__}: {_client.clean_text(error)}"


@contextlib.contextmanager
def span(name: Any, attributes: Any = None, *, client: Optional[Client] = None, **place: Any) -> Iterator[str]:
    """A span for a `with` block: ended on every way out; an exception is recorded and goes on, unchanged."""
    used = client or _default
    span_id = _client.NO_SPAN if used is None else used.start_span(name, **place)
    status = _SUCCESS
    try:
        yield span_id
    except BaseException as error:
        status = _status_of(error)
        raise
    finally:
        if used is not None:
            used.end_span(span_id, *status, attributes)


class _Steps:
    """A generator's span: open for each step (`with`), not for who asked for it, and ended once."""

    def __init__(self, name: str) -> None:
        self._client = _default
        if self._client is None:
            return
        self._inside = self._client._open.get()
        with self:
            self._span_id = self._client.start_span(name)

    def __enter__(self) -> None:
        if self._client is not None:
            self._outside = self._client._open.get()
            self._client._open.set(self._inside)

    def __exit__(self, *_: Any) -> None:
        if self._client is not None:
            self._inside = self._client._open.get()
            self._client._open.set(self._outside)

    def end(self, status: Tuple[str, Optional[str]] = _SUCCESS) -> None:
        if self._client is not None:
            with self:
                self._client.end_span(self._span_id, *status)


def _traced_generator(work: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(work)
    def generated(*given: Any, **named: Any) -> Any:
        steps = work(*given, **named)
        step = _Steps(name)
        try:
            with step:
                item = next(steps)
            while True:
                try:
                    sent = yield item
                except GeneratorExit:
                    with step:
                        steps.close()
                    raise
                except BaseException as error:
                    with step:
                        item = steps.throw(error)
                else:
                    with step:
                        item = steps.send(sent)
        except StopIteration as end:
            step.end()
            return end.value
        except BaseException as error:
            step.end(_status_of(error))
            raise

    return generated


def _traced_async_generator(work: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(work)
    async def generated(*given: Any, **named: Any) -> Any:
        steps = work(*given, **named)
        step = _Steps(name)
        try:
            with step:
                item = await steps.__anext__()
            while True:
                try:
                    sent = yield item
                except GeneratorExit:
                    with step:
                        await steps.aclose()
                    raise
                except BaseException as error:
                    with step:
                        item = await steps.athrow(error)
                else:
                    with step:
                        item = await steps.asend(sent)
        except StopAsyncIteration:
            step.end()
        except BaseException as error:
            step.end(_status_of(error))
            raise

    return generated


def traced(work: _F) -> _F:
    """Decorates a function, or what `classmethod` and `staticmethod` made of one: each call is a span of its name, of an
    `async def` until it has been awaited, of a generator from its first step until it ends or is closed; what is done
    between its steps is not in it."""
    if isinstance(work, (classmethod, staticmethod)):
        return type(work)(traced(work.__func__))

    import inspect  # takes longer to load than all else here

    name = getattr(work, "__qualname__", None) or type(work).__qualname__  # a partial has none
    if inspect.isgeneratorfunction(work):
        return _traced_generator(work, name)  # type: ignore[return-value]
    if inspect.isasyncgenfunction(work):
        return _traced_async_generator(work, name)  # type: ignore[return-value]
    if inspect.iscoroutinefunction(work):

        @functools.wraps(work)
        async def awaited(*given: Any, **named: Any) -> Any:
            with span(name):
                return await work(*given, **named)

        return awaited  # type: ignore[return-value]

    @functools.wraps(work)
    def call(*given: Any, **named: Any) -> Any:
        with span(name):
            return work(*given, **named)

    return call  # type: ignore[return-value]


def _forked() -> None:
    """Memory only: new locks, no I/O; the rest happens at the child's first call."""
    _client._ENDING.clear()
    for one in list(_clients):
        one._begin_process()


def _at_exit() -> None:
    if _client._ENDING:
        return
    _client._ENDING.append(True)
    for one in list(_clients):
        if not one.disabled and not one.closed and one._pid == os.getpid():
            one._finish(_client.CLOSE_S)


#: Once `multiprocessing` knows of us.
_KNOWN: List[bool] = []


def _tell_multiprocessing() -> None:
    """Its forked children end without `atexit`, but not without what is told to it. Memory only."""
    util = sys.modules.get("multiprocessing.util")
    if util is None or _KNOWN:
        return
    _KNOWN.append(True)

    def finalize(work: Callable[[], None]) -> None:
        util.Finalize(None, work, exitpriority=-100)

    util.register_after_fork(_at_exit, finalize)
    if sys.modules["multiprocessing.process"].parent_process() is not None:  # imported in such a child
        finalize(_at_exit)


atexit.register(_at_exit)
_tell_multiprocessing()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_tell_multiprocessing, after_in_child=_forked)
