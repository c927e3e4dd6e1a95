"""What a cell holds at one instant, to be compared with what it holds at another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antiphon.keys import Keys

Snapshot = Mapping[str, object]
"""By key: its type, its value, and the instant it expires."""


async def snapshot(client: Any, keys: Keys) -> Snapshot:
    """Take down everything: values, lifetimes, ids given out, pending entries and their counts."""
    names = [name.decode() async for name in client.scan_iter(f"{keys.prefix}*", count=1000)]
    return {name: await _value(client, name) for name in sorted(names)}


async def contents(client: Any, keys: Keys) -> Snapshot:
    """Take down what a reader can see: a stream without entries and groups is none."""
    return {
        name: seen
        for name, value in (await snapshot(client, keys)).items()
        if (seen := await _entries(client, name) if _is_stream(value) else value)
    }


def changed(before: Snapshot, after: Snapshot) -> set[str]:
    """Name the keys that are not as they were."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def _is_stream(value: object) -> bool:
    return isinstance(value, tuple) and value[0] == "stream"


async def _entries(client: Any, name: str) -> object:
    entries, groups = await client.xrange(name), await client.xinfo_groups(name)
    pending = [await client.xpending_range(name, g["name"], "-", "+", 1000) for g in groups]
    held = [[(p["message_id"], p["consumer"]) for p in group] for group in pending]
    return (entries, held) if entries or groups else None


async def _value(client: Any, name: str) -> object:
    kind = (await client.type(name)).decode()
    read: dict[str, Any] = {
        "string": client.get,
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": lambda key: client.execute_command("XINFO", "STREAM", key, "FULL", "COUNT", 0),
    }
    return kind, await read[kind](name), await client.pexpiretime(name)
