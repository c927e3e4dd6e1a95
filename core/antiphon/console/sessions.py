"""Sessions: a token is given once, and a signed cookie stands for it until it expires.

What a session knows stays in the console; the cookie holds its number alone. So signing out, a new
tokens file and a restart of the console all end it at once.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from itsdangerous import BadSignature, TimestampSigner

from antiphon.console.tokens import Holder, Tokens

LIFETIME = timedelta(hours=12)

_MOST_TOLD = 10
_MOST = 20
"""Sessions of one token at a time; its oldest gives way to one more, and nobody else's."""


@dataclass(slots=True, kw_only=True)
class Told:
    """Something to tell whoever acted, once."""

    kind: Literal["done", "refused"]
    words: str


@dataclass(slots=True, kw_only=True)
class Session:
    """One browser that is signed in."""

    id: str
    csrf: str
    """What forms of this session carry, and nobody else can know."""

    digest: str
    """Whose token it was opened with."""

    expires: float
    """When it ends, on the monotonic clock, seconds."""

    told: deque[Told] = field(default_factory=lambda: deque(maxlen=_MOST_TOLD))
    """What is to be told on the next page."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session and whose it is, as the tokens say now."""

    session: Session
    holder: Holder

    @property
    def may_act(self) -> bool:
        """Whether its holder may do more than look."""
        return self.holder.role == "operator"

    def sent_by_us(self, csrf: str) -> bool:
        """Whether a form is one that this session was given."""
        return hmac.compare_digest(self.session.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """Everybody who is signed in."""

    def __init__(
        self,
        tokens: Tokens,
        *,
        lifetime: timedelta = LIFETIME,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._lifetime = lifetime
        self._clock = clock
        self._signer = TimestampSigner(secrets.token_bytes(32), salt="antiphon.console.session")
        self._sessions: dict[str, Session] = {}

    def open(self, holder: Holder) -> str:
        """Sign somebody in; returns what their cookie holds."""
        now = self._clock()
        for old in [s for s in self._sessions.values() if s.expires <= now]:
            self.end(old)
        theirs = [s for s in self._sessions.values() if s.digest == holder.digest]
        for old in theirs[: max(len(theirs) - _MOST + 1, 0)]:
            self.end(old)
        session = Session(
            id=secrets.token_urlsafe(16),
            csrf=secrets.token_urlsafe(32),
            digest=holder.digest,
            expires=now + self._lifetime.total_seconds(),
        )
        self._sessions[session.id] = session
        return self._signer.sign(session.id).decode()

    def find(self, cookie: str) -> SignedIn | None:
        """Who sent a cookie; None when nobody who is signed in and whose token still holds."""
        try:
            name = self._signer.unsign(cookie, max_age=int(self._lifetime.total_seconds()))
        except BadSignature:
            return None
        session = self._sessions.get(name.decode())
        if session is None or session.expires <= self._clock():
            return None
        for holder in self._tokens.holders():
            if holder.digest == session.digest:
                return SignedIn(session, holder)
        return None

    def end(self, session: Session) -> None:
        """Sign a browser out."""
        self._sessions.pop(session.id, None)
