"""The claimer: takes up deliveries whose worker fell silent."""

from __future__ import annotations

from collections.abc import Iterable

from antiphon.broker.claims import Taken
from antiphon.broker.session import Session
from antiphon.duration import milliseconds
from antiphon.post import Post
from antiphon.telemetry.logging import get_logger


class Claimer:
    """Claims what has been idle for a whole lease, as far as there is room."""

    name = "claimer"

    def __init__(self, session: Session, posts: Iterable[Post]) -> None:
        self._session = session
        self._posts = posts
        self._lease_ms = milliseconds(session.settings.lease)
        self.every = session.settings.claim_every
        self._log = get_logger()

    async def once(self) -> None:
        """Look at every group once, in one command as long as there is nothing to claim."""
        claims = self._session.claims
        posts = [post for post in self._posts if post.room.free > 0]
        places = [(post, label, key) for post in posts for label, key in post.streams.items()]
        for position in await claims.stale(
            [(post.group.name, stream) for post, _, stream in places], idle_ms=self._lease_ms
        ):
            post, label, stream = places[position]
            for taken in await claims.silent(
                post.group.name,
                post.due_key,
                {label: stream},
                idle_ms=self._lease_ms,
                room=post.room.free,
            ):
                take_up(post, taken)
                self._log.info("entry.claimed", group=post.group.name, entry_id=taken.entry_id)


def take_up(post: Post, taken: Taken) -> None:
    """Start a delivery that was claimed, or say that its entry is gone."""
    if taken.fields is not None:
        post.start(taken.label, taken.entry_id, taken.fields)
    else:
        get_logger().error(
            "entry.lost",
            group=post.group.name,
            entry_id=taken.entry_id,
            reason="it was trimmed or deleted while it was pending",
        )
