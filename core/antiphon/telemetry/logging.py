"""Logs: one JSON object per line, and every line of a delivery carries its recovery.

The fields of the delivery that runs in this task (correlation id, causation id, event id, handler,
group, consumer, attempt) are added to each line, also to those of the user's own loggers.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import orjson
import structlog

from antiphon.recovery import current

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
Log = structlog.typing.FilteringBoundLogger


def get_logger() -> Log:
    """The framework's logger, as logging is configured now."""
    # Bound at once: structlog's lazy proxy looks itself up again for every line.
    logger: Log = structlog.get_logger("antiphon").bind()
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
    context: list[structlog.typing.Processor] = [add_context, structlog.processors.format_exc_info]
    factory: Any = structlog.WriteLoggerFactory(out)
    ours: list[structlog.typing.Processor]
    theirs: list[structlog.typing.Processor]
    if log_format == "console":
        ours = theirs = [*context, structlog.dev.ConsoleRenderer(colors=out.isatty())]
    else:
        ours = theirs = [*context, render_text]
        if hasattr(out, "buffer"):  # bytes spare an encoding for every line
            ours, factory = [add_context, render], structlog.BytesLoggerFactory(out.buffer)
    structlog.configure(
        processors=ours,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *theirs],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])


def add_context(
    _logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the time, the level and the fields of the running delivery; a structlog processor."""
    fields: dict[str, Any] = {"timestamp": datetime.now(UTC), "level": method}
    if (recovery := current.get()) is not None:
        fields.update(recovery.log_fields)
    fields.update(event)
    return fields


def render(logger: object, method: str, event: MutableMapping[str, Any]) -> bytes:
    """Write a line as JSON; the last processor."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)
    except TypeError:  # a lone surrogate, a key that is no text: no reason to lose the line
        return json.dumps(event, default=str, skipkeys=True).encode()


def render_text(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    """Write a line as JSON text; the last processor where a stream takes no bytes."""
    return render(logger, method, event).decode()
