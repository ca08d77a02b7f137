"""The bridge of the standard library's logging.

    logging.getLogger().addHandler(monitoring_sdk.handler.MonitoringHandler())
"""

import logging
from typing import Any, Dict, Optional

import monitoring_sdk

from ._values import clean_text
from .client import Client

_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


class MonitoringHandler(logging.Handler):
    """Sends log records as events: level, message, logger, exception, and what `extra` gave as context."""

    def __init__(self, client: Optional[Client] = None, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.client = client

    def emit(self, record: logging.LogRecord) -> None:
        context: Dict[str, Any] = {key: value for key, value in vars(record).items() if key not in _OWN}
        context["logger"] = record.name
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, _ = record.exc_info
            context["exception"] = {"type": kind.__name__, "message": clean_text(error)}
        try:
            message = record.getMessage()
        except Exception:
            message = clean_text(record.msg)
        send = monitoring_sdk.log_event if self.client is None else self.client.log_event
        send(record.levelname.lower(), message, context)
