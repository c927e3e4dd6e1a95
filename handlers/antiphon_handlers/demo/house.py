"""The house a demo plays in: a directory, a Redis server and a cell, all its own."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from antiphon import AntiphonError, ConfigurationError, Settings
from antiphon.broker.server import EmbeddedServer
from antiphon_handlers.demo.directory import ShopDirectory
from antiphon_handlers.demo.following import forget

R = TypeVar("R")


class DemoFailed(AntiphonError):
    """The demo did not end as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to run a demo.

    Attributes:
        keep: run in this directory and leave it there; a temporary one otherwise.
        url: the Redis server to use; a private one otherwise.
    """

    keep: Path | None = None
    url: str | None = None


async def perform(place: Place, play: Callable[[ShopDirectory, Settings], Awaitable[R]]) -> R:
    """Play in the house, and leave it as it was found.

    Args:
        place: where.
        play: given the directory and the cell; what it starts, it ends.

    Raises:
        ConfigurationError: the directory to keep is in use, or there is no server to use.
        DemoFailed: it could not be played to its end; the logs are kept.
    """
    directory = _directory(place)
    try:
        async with _cell(place, directory) as settings:
            result = await play(ShopDirectory(directory), settings)
    except (ConfigurationError, asyncio.CancelledError):
        _remove(place, directory)
        raise
    except AntiphonError as error:
        raise DemoFailed(f"{error}\nThe logs are in {directory / 'logs'}") from error
    _remove(place, directory)
    return result


def _directory(place: Place) -> Path:
    if place.keep is None:
        return Path(tempfile.mkdtemp(prefix="antiphon-demo-"))
    if place.keep.exists() and (not place.keep.is_dir() or any(place.keep.iterdir())):
        raise ConfigurationError(f"{place.keep} is in use: name a new directory to keep")
    place.keep.mkdir(parents=True, exist_ok=True)
    return place.keep.absolute()


def _remove(place: Place, directory: Path) -> None:
    if place.keep is None:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def _cell(place: Place, directory: Path) -> AsyncIterator[Settings]:
    """A cell nobody else uses, gone afterwards with its server or from a borrowed one."""
    cell = f"demo-{uuid.uuid4().hex[:12]}"
    if place.url is None:
        with EmbeddedServer(directory / "redis", durability="everysec") as server:
            yield Settings(redis_url=server.url, cell=cell)
    else:
        settings = Settings(redis_url=place.url, cell=cell)
        try:
            yield settings
        finally:
            await forget(settings)
