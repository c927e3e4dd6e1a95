"""What the server says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import ResponseError


@dataclass(frozen=True, slots=True)
class Vitals:
    """The facts that decide whether Antiphon can trust a server."""

    product: str
    """``redis`` or ``valkey``."""
    version: tuple[int, ...]
    """The version of the Redis protocol and commands it speaks."""
    version_text: str
    product_version: str
    eviction: str
    """Its maxmemory-policy."""
    maxmemory: int
    """In bytes; 0 without a limit."""
    used_memory: int
    appendonly: bool
    appendfsync: str
    """Empty when the server does not let us see it."""
    role: str
    run_id: str

    @property
    def may_evict(self) -> bool:
        """Whether it throws keys away when memory runs out."""
        return self.eviction != "noeviction" and bool(self.eviction)


async def read_vitals(client: Redis) -> Vitals:
    """Ask the server. Where CONFIG is forbidden, INFO alone has to do."""
    info = await client.info("everything")
    version = str(info.get("redis_version", "0"))
    product = (
        "valkey" if info.get("server_name") == "valkey" or "valkey_version" in info else "redis"
    )
    return Vitals(
        product=product,
        version=tuple(int(part) for part in version.split(".")[:2] if part.isdigit()),
        version_text=version,
        product_version=str(info.get("valkey_version", version)),
        eviction=str(info.get("maxmemory_policy", "")),
        maxmemory=int(info.get("maxmemory", 0)),
        used_memory=int(info.get("used_memory", 0)),
        appendonly=bool(info.get("aof_enabled", 0)),
        appendfsync=await _appendfsync(client),
        role=str(info.get("role", "")),
        run_id=str(info.get("run_id", "")),
    )


async def _appendfsync(client: Redis) -> str:
    try:
        found = await client.config_get("appendfsync")
    except ResponseError:
        return ""
    return str(found.get("appendfsync", ""))
