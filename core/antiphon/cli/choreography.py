"""What ``antiphon graph`` and ``antiphon check`` share: the choreography of services named."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.errors import AntiphonError, ConfigurationError

if TYPE_CHECKING:
    from antiphon.choreography import Choreography
    from antiphon.service import Service

ServicesArgument = Annotated[
    list[str],
    typer.Argument(metavar="MODULE:SERVICE...", help="The services that work together."),
]


def choreography_of(names: Sequence[str]) -> Choreography:
    """Import services and read what they do together; files are named from the current folder.

    Raises:
        ConfigurationError: one cannot be imported, or is no service.
    """
    from antiphon.choreography import Choreography  # noqa: PLC0415  keep `--help` quick

    with redirect_stdout(sys.stderr):  # what a module says while it is imported is no answer
        found = Choreography.of(*map(_load, names))
    parts = (replace(part, file=_from_here(part.file)) for part in found.parts)
    aims = (replace(aim, file=_from_here(aim.file)) for aim in found.aims)
    return replace(found, parts=tuple(parts), aims=tuple(aims))


def _load(name: str) -> Service:
    from antiphon.loading import load_service  # noqa: PLC0415  as above

    try:
        return load_service(name)
    except AntiphonError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise ConfigurationError(f"{name} does not load: {said}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """Where it was raised; a syntax error says so itself, and its traceback shows the importer."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<")
    ]
    if isinstance(error, SyntaxError) or not frames:
        return ""
    return f" ({_from_here(frames[-1].filename)}:{frames[-1].lineno})"


def _from_here(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
