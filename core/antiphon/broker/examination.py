"""The doctor's examination: what it needs to know, read from the server."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from antiphon.broker.census import take_census
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.inspection import inspect
from antiphon.broker.local import resolve_url
from antiphon.broker.reading import RedisReading
from antiphon.broker.vitals import read_vitals
from antiphon.doctor.facts import Facts, OpenRecoveries, Server
from antiphon.instants import instant
from antiphon.records import Records
from antiphon.settings import Settings

_WRITES = {
    "aof_last_write_status": "write to the append-only file",
    "aof_last_bgrewrite_status": "rewriting of the append-only file",
    "rdb_last_bgsave_status": "snapshot",
}


async def examine(errand: Errand) -> Facts:
    """Read everything the doctor looks at; nothing is written.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    settings, client, keys = errand.settings, errand.client, errand.keys
    with telling("examining the server"):
        server = await _server(client, settings)
        dead_letters = int(await client.xlen(keys.dead))
    return Facts(
        cell=settings.cell,
        settings=_public(settings),
        server=server,
        census=await take_census(errand),
        dead_letters=dead_letters,
        recoveries=await _open_recoveries(errand),
        guards=await inspect(errand),
    )


def _public(settings: Settings) -> dict[str, Any]:
    """The settings as JSON, without what may hold a secret; of handlers only what was set."""
    return {
        **settings.model_dump(mode="json", exclude={"redis_url", "handlers", "services"}),
        **{
            family: {
                name: guards.model_dump(mode="json", exclude_unset=True)
                for name, guards in named.items()
            }
            for family, named in (("handlers", settings.handlers), ("services", settings.services))
        },
    }


async def _server(client: Redis, settings: Settings) -> Server:
    vitals = await read_vitals(client)
    persistence = await client.info("persistence")
    return Server(
        url=_without_secrets(resolve_url(settings)),
        product=vitals.product,
        product_version=vitals.product_version,
        speaks=vitals.version,
        role=vitals.role,
        eviction=vitals.eviction,
        used_memory=vitals.used_memory,
        maxmemory=vitals.maxmemory,
        appendonly=vitals.appendonly,
        appendfsync=vitals.appendfsync,
        snapshots=await _snapshots(client),
        failing=tuple(
            words for field, words in _WRITES.items() if persistence.get(field, "ok") != "ok"
        ),
    )


async def _snapshots(client: Redis) -> bool | None:
    try:
        found = await client.config_get("save")
    except ResponseError:
        return None
    return bool(found.get("save"))


async def _open_recoveries(errand: Errand) -> OpenRecoveries:
    client, keys = errand.client, errand.keys
    with telling("counting open recoveries"):
        count = int(await client.zcard(keys.open_recoveries))
        first = cast(
            "list[tuple[bytes, float]]",
            await client.zrange(keys.open_recoveries, 0, 0, withscores=True),
        )
    if not first:
        return OpenRecoveries(count=0)
    oldest, opened_ms = first[0][0].decode(), first[0][1]
    trace = await Records(RedisReading(client, keys)).trace(oldest)
    return OpenRecoveries(
        count=count,
        oldest=oldest,
        opened=instant(int(opened_ms)),
        about=f"{trace.summary.type} about {trace.summary.subject}" if trace else "",
        waits_for=tuple(one.words for one in trace.outstanding) if trace else (),
        groups=frozenset(one.group for one in trace.outstanding) if trace else frozenset(),
    )


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}{f':{parts.port}' if parts.port else ''}{parts.path}"
