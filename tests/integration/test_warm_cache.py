"""Warming a real cache over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest

from antiphon import PermanentError, TransientError
from antiphon.errors import Superseded
from antiphon_events import CacheWarmed, DatabaseRestored
from antiphon_handlers.demo.shop.http_server import serve
from antiphon_handlers.demo.shop.orders_cache import OrdersCache
from antiphon_handlers.warm_cache import Source, warm_cache
from handler_fixtures import delivery

RESTORED = DatabaseRestored(subject="orders-db")
ENTRIES = {f"order/{number}": {"item": "lyre", "quantity": number} for number in range(50)}


async def orders() -> dict[str, object]:
    return dict(ENTRIES)


@pytest.fixture
def cache() -> Iterator[str]:
    with serve(OrdersCache(), port=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def warm(
    cache: str, source: Source = orders, *, token: int = 1, event_id: str = "event-1"
) -> CacheWarmed:
    handler = warm_cache(source, cache, subject="orders-cache", generations=True)
    return await handler(*delivery(RESTORED, token=token, event_id=event_id))


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)


async def put(url: str, value: object) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        (await client.put(url, json=value)).raise_for_status()


async def test_a_warm_cache_serves_what_the_source_holds(cache: str) -> None:
    """Every entry can be read, under keys of any form, and the event counts them."""
    warmed = await warm(cache)
    assert warmed == CacheWarmed(subject="orders-cache", entries=len(ENTRIES))
    assert (await get(f"{cache}/entries/order%2F7")).json() == ENTRIES["order/7"]


async def test_entries_that_are_gone_from_the_source_are_gone_from_the_cache(cache: str) -> None:
    """Nothing from before the failure is served afterwards."""
    await put(f"{cache}/entries/stale", 1)
    await warm(cache)
    assert (await get(f"{cache}/entries/stale")).status_code == httpx.codes.NOT_FOUND


async def test_one_event_fills_the_cache_once(cache: str) -> None:
    """A second attempt for the same event does not even read the source."""
    first = await warm(cache)

    async def unread() -> dict[str, object]:
        raise AssertionError

    assert await warm(cache, unread, token=2) == first


async def test_an_older_attempt_does_not_replace_what_a_newer_one_filled(cache: str) -> None:
    """A worker that slept through its lease is refused by the cache, which goes on serving."""
    await warm(cache, token=5, event_id="event-2")
    with pytest.raises(Superseded):
        await warm(cache, token=4)
    assert (await get(f"{cache}/generation")).json()["generation"] == "event-2"


async def test_a_source_may_be_a_url(cache: str) -> None:
    """A URL that answers a JSON object of entries is source enough."""
    await put(f"{cache}/entries/everything", {"a": 1, "b": 2})
    assert (await warm(cache, f"{cache}/entries/everything")).entries == 2


async def test_a_source_that_is_no_object_is_given_up(cache: str) -> None:
    """What cannot be entries is a permanent error that names the URL."""
    await put(f"{cache}/entries/list", [1, 2])
    with pytest.raises(PermanentError, match="entries/list answered list"):
        await warm(cache, f"{cache}/entries/list")


async def test_a_source_that_rejects_the_request_is_given_up(cache: str) -> None:
    """404 will be 404 again."""
    with pytest.raises(PermanentError, match="404"):
        await warm(cache, f"{cache}/entries/none")


async def test_a_cache_that_is_away_is_tried_again() -> None:
    """No answer is a transient error."""
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:1/"):
        await warm("http://127.0.0.1:1")


async def test_a_cache_without_generations_is_simply_filled(cache: str) -> None:
    """Entries are put where readers see them at once."""
    handler = warm_cache(orders, lambda: cache, subject="orders-cache")
    warmed = await handler(*delivery(RESTORED))
    assert warmed.entries == len(ENTRIES)
    assert (await get(f"{cache}/entries/order%2F7")).json() == ENTRIES["order/7"]
