"""Logs: one JSON object per line, and every line of a delivery carries its recovery.

The fields of the delivery that runs in this task (correlation id, causation id, event id, handler,
group, consumer, attempt) are added to each line, also to those of the user's own loggers.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import orjson
import structlog

from antiphon.recovery import current

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
Log = structlog.typing.FilteringBoundLogger


def get_logger() -> Log:
    """The framework's logger."""
    logger: Log = structlog.get_logger("antiphon")
    return logger


def configured() -> bool:
    """Whether somebody has set up logging already."""
    return structlog.is_configured()


def configure(
    log_format: Literal["json", "console"] = "json",
    level: Literal["debug", "info", "warning", "error"] = "info",
    stream: TextIO | None = None,
) -> None:
    """Send every log line of this process, structlog's and logging's, to one stream.

    Args:
        log_format: one JSON object per line, or coloured text for people.
        level: the least severe level that is written.
        stream: where to; standard error unless given.
    """
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        add_recovery,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer(serializer=_to_json)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=out.isatty())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])


def add_recovery(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the fields of the running delivery; a structlog processor."""
    recovery = current.get()
    if recovery is None:
        return event
    return {**recovery.log_fields, **event}


def _to_json(event: object, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
