"""Python values as JSON: bounded, never raising, numbers as numbers, arguments left as they are."""

import base64
import datetime
import enum
import json
import math
import operator
import re
from collections.abc import Mapping
from typing import Any, List, Optional, Tuple

MAX_RECORD_BYTES = 65_536
MAX_TEXT_BYTES = 8192
MAX_KEYS = 128
MAX_ITEMS = 256
MAX_DEPTH = 8
MAX_INTEGER = 2**53

_MAPPINGS = (dict, Mapping)  # the abstract one alone takes long to ask
_CONTAINERS = (dict, list, tuple, set, frozenset, Mapping)
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(r'\\(?:["\\/nrtu]|([bf]))')
_first = operator.itemgetter(0)
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def clean_text(value: Any) -> str:
    """Text of at most 8 KiB of UTF-8, cut at a character; lone surrogates become U+FFFD."""
    if type(value) is str:
        if len(value) <= MAX_TEXT_BYTES and value.isascii():
            return value
    else:
        try:
            value = str.__str__(value) if isinstance(value, str) else str(value)
        except Exception:
            return "<unprintable>"
    text: str = value[: MAX_TEXT_BYTES + 1]
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        text = _SURROGATE.sub("\ufffd", text)
        raw = text.encode()
    return text if len(raw) <= MAX_TEXT_BYTES else raw[:MAX_TEXT_BYTES].decode("utf-8", "ignore")


def plain(value: Any, depth: int = 0, within: Tuple[int, ...] = (), room: Optional[List[int]] = None) -> Any:
    """What JSON can say of a value: dict, list, str, int, float, bool or None, within the limits.

    `room` holds how many bytes it may still take, counted as no more than it does take: one that is cut off for them, as
    what is shared may be, makes no record.
    """
    kind = type(value)
    if room is None:
        room = [MAX_RECORD_BYTES]
    if kind is str:
        return _counted(clean_text(value), room)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -MAX_INTEGER <= value <= MAX_INTEGER else clean_text(value)
    if kind is float:
        return _plain_float(value)
    if isinstance(value, _CONTAINERS):
        if id(value) in within:
            return "<cyclic>"
        if depth >= MAX_DEPTH:
            return "<depth>"
        if room[0] <= 0:
            return "<large>"
        return _plain_container(value, depth + 1, within + (id(value),), room)
    return _plain_object(value, depth, within, room)


def _counted(text: str, room: List[int]) -> str:
    room[0] -= len(text)
    return text


def _plain_float(value: float) -> Any:
    if math.isfinite(value):
        if not value.is_integer() or abs(value) >= 1e21:
            return value
        return int(value) if abs(value) <= MAX_INTEGER else str(int(value))
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _plain_container(value: Any, depth: int, within: Tuple[int, ...], room: List[int]) -> Any:
    try:
        if isinstance(value, _MAPPINGS):
            members = sorted(((_counted(clean_text(key), room), value[key]) for key in list(value)[:MAX_KEYS]), key=_first)
            room[0] -= len(members)
            return {text: plain(item, depth, within, room) for text, item in members}
        items = list(value)[:MAX_ITEMS]
        room[0] -= len(items)
        return [plain(item, depth, within, room) for item in items]
    except RuntimeError:
        return "<changing>"  # another thread adds to it


def _plain_object(value: Any, depth: int, within: Tuple[int, ...], room: List[int]) -> Any:
    try:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _counted("base64:" + base64.b64encode(bytes(value)[:MAX_TEXT_BYTES]).decode(), room)
        if isinstance(value, datetime.datetime):
            utc = value.astimezone(datetime.timezone.utc)
            return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds").replace("+00:00", "Z")
        if isinstance(value, (datetime.date, datetime.time)):
            return value.isoformat()
        if isinstance(value, enum.Enum):
            return plain(value.value, depth, within, room)
        if isinstance(value, (int, float)):
            return plain(float(value) if isinstance(value, float) else int(value), depth, within)
        item = getattr(value, "item", None)  # the numbers of numpy
        if callable(item) and getattr(value, "ndim", None) == 0:
            return plain(item(), MAX_DEPTH, within)
    except Exception:
        return "<unprintable>"
    return _counted(clean_text(value), room)


def to_json(value: Any) -> bytes:
    """Compact JSON in UTF-8 of what `plain` gave; control characters but \\n, \\r and \\t as \\u00xx."""
    text = _encode(value)
    if "\\b" in text or "\\f" in text:
        text = _ESCAPE.sub(lambda found: {"b": "\\u0008", "f": "\\u000c"}.get(found[1] or "", found[0]), text)
    return text.encode()
