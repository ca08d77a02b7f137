"""MessagePack of what `plain` gave."""

import struct
from typing import Any, List

_LIMITS = ((8, ">BB"), (16, ">BH"), (32, ">BI"), (64, ">BQ"))
_SIGNED = ((8, ">Bb"), (16, ">Bh"), (32, ">Bi"), (64, ">Bq"))


def to_msgpack(value: Any) -> bytes:
    parts: List[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Any, out: List[bytes]) -> None:
    if value is None:
        out.append(b"\xc0")
    elif value is True or value is False:
        out.append(b"\xc3" if value else b"\xc2")
    elif isinstance(value, str):
        raw = value.encode()
        out.append(_head(len(raw), 0xA0, 31, 0xD9))
        out.append(raw)
    elif isinstance(value, int):
        out.append(_whole(value))
    elif isinstance(value, float):
        out.append(struct.pack(">Bd", 0xCB, value))
    elif isinstance(value, list):
        out.append(_head(len(value), 0x90, 15, 0xDB))
        for item in value:
            _write(item, out)
    else:
        out.append(_head(len(value), 0x80, 15, 0xDD))
        for key, item in value.items():
            _write(key, out)
            _write(item, out)


def _head(length: int, fixed: int, least: int, code: int) -> bytes:
    """What begins a text, a list or a map; lists and maps have no form with one byte of length."""
    if length <= least:
        return bytes((fixed | length,))
    for nth, (bits, form) in enumerate(_LIMITS):
        if length < 1 << bits and not (nth == 0 and fixed != 0xA0):
            return struct.pack(form, code + nth, length)
    raise ValueError("too long")


def _whole(value: int) -> bytes:
    if -32 <= value < 128:
        return bytes((value & 0xFF,))
    if value >= 0:
        for nth, (bits, form) in enumerate(_LIMITS):
            if value < 1 << bits:
                return struct.pack(form, 0xCC + nth, value)
    for nth, (bits, form) in enumerate(_SIGNED):
        if value >= -(1 << (bits - 1)):
            return struct.pack(form, 0xD0 + nth, value)
    raise ValueError("out of range")
