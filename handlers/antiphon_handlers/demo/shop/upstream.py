"""Calls from one process of the shop to another."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

ANSWER_WITHIN_SECONDS = 5.0


class UpstreamFailed(Exception):
    """The process did not answer, or refused; ``status`` is None when there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def call(method: str, url: str, body: Any = None, *, session: str = "") -> Any:
    """Send one request and return the JSON it was answered with.

    Raises:
        UpstreamFailed: it was not answered with 2xx.
    """
    address = urlsplit(url)
    path = f"{address.path}?{address.query}" if address.query else address.path
    connection = HTTPConnection(address.netloc, timeout=ANSWER_WITHIN_SECONDS)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Session": session})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise UpstreamFailed(f"{method} {url}: {error}") from error
    finally:
        connection.close()
    if response.status >= HTTPStatus.MULTIPLE_CHOICES:
        reason = f"{method} {url}: {response.status} {answer.get('error', '')}"
        raise UpstreamFailed(reason, response.status)
    return answer
