"""One HTTP request whose answer is a verdict: a result, or an error that says what happens next."""

from __future__ import annotations

import logging
from typing import Any

import httpx

from antiphon import PermanentError, TransientError
from antiphon.errors import Superseded

_PASSING = frozenset(
    {httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS}
)

_requests = logging.getLogger("httpx")


def open_client(
    base_url: str = "", *, answer_within_seconds: float = 10.0, connections: int = 100
) -> httpx.AsyncClient:
    """Return a client that goes straight to the service: a proxy would answer for itself."""
    if _requests.level == logging.NOTSET:
        # A line per request, at info: a cache of a million entries would be a million lines.
        _requests.setLevel(logging.WARNING)
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=answer_within_seconds,
        limits=httpx.Limits(max_connections=connections),
        trust_env=False,
    )


async def request(client: httpx.AsyncClient, method: str, url: str, **options: Any) -> Any:
    """Send one request and return the JSON of its answer.

    Args:
        client: from `open_client`.
        method: the HTTP method.
        url: absolute, or a path below the client's base URL.
        options: passed on to httpx, such as ``json``, ``params`` and ``headers``.

    Raises:
        TransientError: no answer, an answer that is not JSON, a 5xx, or "later" (408, 425, 429).
        Superseded: 409, the answer of a target that has seen a newer fencing token.
        PermanentError: any other answer that is not 2xx; asking again would change nothing.
    """
    try:
        response = await client.request(method, url, **options)
    except httpx.TransportError as error:
        raise TransientError(f"{method} {client.base_url.join(url)}: {error!r}") from error
    answer = f"{method} {response.url} answered {response.status_code}"
    if response.is_server_error or response.status_code in _PASSING:
        raise TransientError(f"{answer}: {response.text[:200]}")
    if response.status_code == httpx.codes.CONFLICT:
        raise Superseded(f"{answer}: a newer attempt was here")
    if not response.is_success:
        raise PermanentError(f"{answer}: {response.text[:200]}")
    try:
        return response.json()
    except ValueError as error:
        raise TransientError(f"{answer}, and the answer is not JSON") from error
