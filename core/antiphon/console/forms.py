"""Forms: what a browser sends when somebody acts, and whether one of our pages sent it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

_LARGEST_BYTES = 64 * 1024
_MOST_FIELDS = 100
_LONGEST_FIELD = 4096
_TYPE = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> Mapping[str, str]:
    """Read the fields of a form; of two of one name the last counts.

    Raises:
        HTTPException: it is too long, or not a form as our pages send them.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise HTTPException(415, "This is not a form of the console.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BYTES:
            raise HTTPException(413, "The form is too long.")
    try:
        text = body.decode("utf-8")
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read.") from error
    if any(len(value) > _LONGEST_FIELD for _, value in fields):
        raise HTTPException(413, f"A field is longer than {_LONGEST_FIELD} characters.")
    return dict(fields)


def is_same_origin(request: Request) -> bool:
    """Whether a browser says that a page of ours sent this; a program says nothing, and passes.

    Only the host is compared: whoever ends TLS in front of the console changes the scheme.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    except ValueError:
        return False


def local_path(given: str, otherwise: str) -> str:
    """Where to go after an action: a page of ours, whatever the form says."""
    safe = given.startswith("/") and not given.startswith("//")
    return given if safe and given.isprintable() and "\\" not in given else otherwise
