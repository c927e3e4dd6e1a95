"""``antiphon server``: a durable local server, for one machine and for trying things out."""

from __future__ import annotations

import contextlib
import json as json_text
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon.broker.server import EmbeddedServer

_DURABILITY = {
    "always": "a write is on disk before it is answered",
    "everysec": "a power cut may lose the last second",
    "none": "memory only",
}


def server(
    *,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where it keeps its files, instead of your own directory.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Listen on this port of 127.0.0.1 as well.")
    ] = None,
    durability: Annotated[
        Literal["always", "everysec", "none"],
        typer.Option(help="When a write is on disk: before it is answered, in a second, never."),
    ] = "always",
    json: Annotated[bool, typer.Option("--json", help="Describe the server as JSON.")] = False,
) -> None:
    """Run a local Redis-protocol server until Ctrl-C; commands on this machine find it."""
    from antiphon.broker.server import EmbeddedServer  # noqa: PLC0415  keep `--help` quick

    signal.signal(signal.SIGTERM, _interrupt)
    # The interrupt may come at any moment, not only while waiting.
    with (
        contextlib.suppress(KeyboardInterrupt),
        EmbeddedServer(data_dir, port=port, durability=durability) as running,
    ):
        typer.echo(_as_json(running) if json else _as_text(running, found=data_dir is None))
        status = running.wait()
        raise ConfigurationError(
            f"the server ended by itself with status {status}: see {running.log}"
        )


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _as_json(running: EmbeddedServer) -> str:
    return json_text.dumps(
        {
            "url": running.url,
            "pid": running.pid,
            "program": str(running.binary.path),
            "version": ".".join(map(str, running.binary.version)),
            "data_dir": str(running.data_dir),
            "durability": running.durability,
        }
    )


def _as_text(running: EmbeddedServer, *, found: bool) -> str:
    need = "Commands on this machine find it; elsewhere:" if found else "To use it:"
    return (
        f"{running.binary} is ready in {running.data_dir}, process {running.pid}: "
        f"{_DURABILITY[running.durability]}.\n"
        f"{need}\n\n"
        f"  export ANTIPHON_REDIS_URL={shlex.quote(running.url)}\n\n"
        "Ctrl-C stops it."
    )
