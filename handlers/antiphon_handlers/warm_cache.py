"""Fill a cache again from its source of truth, over HTTP.

**Reacts to** the completion that makes the source trustworthy again, such as ``DatabaseRestored``.
**Emits** ``CacheWarmed`` with the number of entries.
**Idempotent because** every entry is a PUT of the same value under the same key; a cache that
keeps generations is told the event's id as its generation, so a second run finds it there, and a
late run with an older fencing token is refused.
**Gives up by** a permanent error when the cache or the source rejects a request (4xx); an
unreachable or failing one is retried as the handler's retry policy says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from antiphon import PermanentError, Recovery
from antiphon_events import CacheWarmed, Event
from antiphon_handlers.http_verdict import open_client, request

Entries = Mapping[str, Any]
"""Cache keys and their values, each a JSON value."""

Source = str | Callable[[], Awaitable[Entries]]
"""A URL that answers a JSON object of entries, or a function that returns them."""

Address = str | Callable[[], str]
"""A URL, or a function that knows it when the handler runs."""

PROGRESS_STEP = 0.1
"""Fraction of the entries between two progress reports."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Which filling of the cache answers its readers now."""

    name: str
    entries: int


def decide(event_id: str, serving: Generation | None) -> bool:
    """Decide whether the cache is still to be filled for this event."""
    return serving is None or serving.name != event_id


def warm_cache(
    source: Source,
    cache: Address,
    *,
    subject: str,
    generations: bool = False,
    concurrency: int = 8,
    name: str = "warm",
) -> Callable[[Event, Recovery], Coroutine[Any, Any, CacheWarmed]]:
    """Return a handler that fills a cache.

    Entry KEY goes to ``PUT {cache}/entries/KEY`` as JSON.

    Args:
        source: where the entries come from.
        cache: the base URL of the cache.
        subject: the cache's name, which the emitted event is about.
        generations: the cache fills a generation beside the one it serves:
            ``PUT /entries/KEY?generation=NAME`` adds to it,
            ``PUT /generation {"generation": NAME, "token": N}`` serves it and drops the others, or
            answers 409 when it has seen a greater token, and ``GET /generation`` answers
            ``{"generation": NAME, "entries": COUNT}``. Readers never see it half filled, and
            entries that are gone from the source are gone from the cache.
        concurrency: how many requests are under way at once.
        name: the handler's name, and so the end of its consumer group's; two handlers of one
            service need two names.
    """

    async def warm(event: Event, recovery: Recovery) -> CacheWarmed:  # noqa: ARG001  any will do
        base = cache if isinstance(cache, str) else cache()
        async with open_client() as client:
            target = _Cache(client, base.rstrip("/"), recovery if generations else None)
            serving = await target.generation()
            if serving is not None and not decide(recovery.event_id, serving):
                return CacheWarmed(subject=subject, entries=serving.entries)
            entries = await _read(client, source)
            await _fill(target, entries, recovery, concurrency)
            await target.serve()
        return CacheWarmed(subject=subject, entries=len(entries))

    warm.__name__ = name
    return warm


async def _read(client: httpx.AsyncClient, source: Source) -> Entries:
    if not isinstance(source, str):
        return await source()
    entries = await request(client, "GET", source)
    if not isinstance(entries, dict):
        raise PermanentError(f"{source} answered {type(entries).__name__}, not a JSON object")
    return entries


async def _fill(target: _Cache, entries: Entries, recovery: Recovery, concurrency: int) -> None:
    """Put the entries, a batch at a time; the first that fails ends the attempt."""
    pairs = list(entries.items())
    reported = 0.0
    for start in range(0, len(pairs), concurrency):
        batch = pairs[start : start + concurrency]
        try:
            async with asyncio.TaskGroup() as group:
                for key, value in batch:
                    group.create_task(target.put(key, value))
        except ExceptionGroup as failures:
            # The first failure is the verdict; the rest were cancelled or say the same.
            raise failures.exceptions[0] from failures
        done = (start + len(batch)) / len(pairs)
        if done - reported >= PROGRESS_STEP:
            reported = done
            await recovery.progress(done, f"{start + len(batch)} entries warmed")


class _Cache:
    """The cache over HTTP; ``recovery`` names the generation to fill when it keeps them."""

    def __init__(self, client: httpx.AsyncClient, base: str, recovery: Recovery | None) -> None:
        self._client = client
        self._base = base
        self._recovery = recovery

    async def generation(self) -> Generation | None:
        if self._recovery is None:
            return None
        now = await request(self._client, "GET", f"{self._base}/generation")
        return Generation(now["generation"], now["entries"])

    async def put(self, key: str, value: Any) -> None:
        params = {"generation": self._recovery.event_id} if self._recovery is not None else {}
        url = f"{self._base}/entries/{quote(key, safe='')}"
        await request(self._client, "PUT", url, params=params, json=value)

    async def serve(self) -> None:
        if self._recovery is None:
            return
        wanted = {"generation": self._recovery.event_id, "token": self._recovery.token}
        await request(self._client, "PUT", f"{self._base}/generation", json=wanted)
