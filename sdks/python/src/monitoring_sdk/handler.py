"""The bridge of the standard library's logging.

    logging.getLogger().addHandler(monitoring_sdk.handler.MonitoringHandler())
"""

import logging
from typing import Any, Dict, Optional

import monitoring_sdk

from ._values import MAX_TEXT_BYTES, clean_text
from .client import Client

_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_traceback = logging.Formatter().formatException


class MonitoringHandler(logging.Handler):
    """Sends log records as events: level, message, logger, exception with the end of its traceback, and what `extra` gave as
    context."""

    def __init__(self, client: Optional[Client] = None, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.client = client

    def emit(self, record: logging.LogRecord) -> None:
        context: Dict[str, Any] = {key: value for key, value in vars(record).items() if key not in _OWN}
        context["logger"] = record.name
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, _ = record.exc_info
            stack = _traceback(record.exc_info).encode("utf-8", "replace")[-MAX_TEXT_BYTES:].decode("utf-8", "ignore")
            context["exception"] = {"type": kind.__name__, "message": clean_text(error), "stack": stack}
        if record.stack_info:
            context["stack"] = record.stack_info
        try:
            message = record.getMessage()
        except Exception:
            message = clean_text(record.msg)
        send = monitoring_sdk.log_event if self.client is None else self.client.log_event
        send(record.levelname.lower(), message, context)
