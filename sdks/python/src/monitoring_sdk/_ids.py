"""Ids of the operating system's random source, and W3C Trace Context."""

import os
import re
from typing import Optional, Tuple

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")

#: Of a trace and of a span in it; '' where there is none.
Place = Tuple[str, str]
NOWHERE: Place = ("", "")


def new_id(size: int) -> str:
    """`2 * size` lower-case hexadecimal digits, never all zero."""
    while True:
        found = os.urandom(size).hex()
        if found.strip("0"):
            return found


def parse_traceparent(text: object) -> Optional[Place]:
    found = _TRACEPARENT.match(text.strip().lower()) if isinstance(text, str) else None
    return (found[1], found[2]) if found else None
