"""The timers: start deliveries whose instant has come, such as the next attempt of a failed one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from antiphon.broker.session import Session
from antiphon.duties.claimer import take_up
from antiphon.post import Post


class Timers:
    """Asks once a second, in one command, which groups have something due."""

    name = "timers"
    every = timedelta(seconds=1)

    def __init__(self, session: Session, posts: Mapping[str, Post]) -> None:
        self._session = session
        self._posts = posts

    async def once(self) -> None:
        """Take up what is due, as far as there is room."""
        posts, claims = list(self._posts.values()), self._session.claims
        for position in await claims.ready([post.due_key for post in posts]):
            post = posts[position]
            if post.room.free > 0:
                for taken in await claims.due(
                    post.group.name, post.due_key, post.streams, post.room.free
                ):
                    take_up(post, taken)
