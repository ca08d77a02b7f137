"""Options: what is given, else the environment, else the default."""

import os
import re
import socket
import sys
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from ._values import clean_text

RANKS = {
    "trace": 1, "verbose": 1, "debug": 2, "info": 3, "notice": 3, "warn": 4, "warning": 4, "error": 5, "err": 5,
    **dict.fromkeys(("fatal", "critical", "crit", "alert", "emerg", "emergency", "panic"), 6),
}  # fmt: skip
DEFAULTS: Dict[str, Any] = {
    "source": None, "tcp_host": "127.0.0.1", "tcp_port": 17000, "level": "trace", "buffer_bytes": 2**20, "tags": None,
    "job_id": None, "protocol": "ndjson", "disabled": False, "quiet": False, "ack": "", "token": "", "before_send": None,
    "sample_s": 0, "debug": False,
}  # fmt: skip


class Settings(NamedTuple):
    source: str
    host: str
    port: int
    rank: int
    buffer_bytes: int
    tags: Mapping[str, Any]
    job_id: Optional[str]
    is_msgpack: bool
    disabled: bool
    quiet: bool
    debug: bool
    ack: str
    token: str
    before_send: Optional[Callable[[Dict[str, Any]], Optional[Dict[str, Any]]]]
    sample_s: float
    unknown: Tuple[str, ...]


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Never raises: what makes no sense is the default."""
    env = os.environ.get
    chosen = {
        name: _first(given.get(name), env("MONITORING_" + name.upper().replace("TCP_", "")) or None, default)
        for name, default in DEFAULTS.items()
    }
    program = os.path.basename(clean_text(next(iter(sys.argv), "")))  # a program may have taken all of its arguments
    name = clean_text(_first(chosen["source"], env("OTEL_SERVICE_NAME") or None, program or None, "python"))
    before_send = chosen["before_send"]
    ack = clean_text(chosen["ack"]).lower()
    return Settings(
        source="".join(c if c.isprintable() else "?" for c in name)[:128] or "python",
        host=clean_text(chosen["tcp_host"]),
        port=_whole(chosen["tcp_port"], 65535, DEFAULTS["tcp_port"]),
        rank=rank_of(clean_text(chosen["level"])),
        buffer_bytes=_whole(chosen["buffer_bytes"], 10**9, DEFAULTS["buffer_bytes"]),
        tags=_tags(chosen["tags"]),
        job_id=None if chosen["job_id"] is None else clean_text(chosen["job_id"]),
        is_msgpack=clean_text(chosen["protocol"]).lower() == "msgpack",
        disabled=_is_on(chosen["disabled"]) or _is_on(env("OTEL_SDK_DISABLED")),
        quiet=_is_on(chosen["quiet"]),
        debug=_is_on(chosen["debug"]),
        ack=ack if ack in ("memory", "disk") else "",
        token=clean_text(chosen["token"]),
        before_send=before_send if callable(before_send) else None,
        sample_s=float(_whole(chosen["sample_s"], 10**6, 0)),
        unknown=tuple(sorted(str(key) for key in given if key not in DEFAULTS)),
    )


def rank_of(level: str) -> int:
    return RANKS.get(level.lower(), 3)


def resolve(host: str, port: int) -> Tuple[Any, Any]:
    """The address family and the address; a name is looked up here, once. Raises OSError."""
    if host.startswith("/"):
        return socket.AF_UNIX, host
    numeric = "127.0.0.1" if host.lower() == "localhost" else host
    try:
        found = socket.getaddrinfo(numeric, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        found = socket.getaddrinfo(numeric, port, type=socket.SOCK_STREAM)
    return found[0][0], found[0][4]


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _whole(value: Any, most: int, default: int) -> int:
    text = clean_text(value)
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,8}", text) and int(text) <= most else default


def _is_on(value: Any) -> bool:
    return value is not None and clean_text(value).lower() not in ("", "0", "false", "no", "off")


def _tags(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    pairs = (pair.partition("=") for pair in clean_text("" if value is None else value).split(","))
    return {key: text for key, equals, text in pairs if key and equals}
