"""The timers: start deliveries whose instant has come, and fire what recoveries have planned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from antiphon.broker.session import Session
from antiphon.duties.claimer import take_up
from antiphon.post import Post


class Timers:
    """Asks once a second, in one command, what is due of the groups here and of the cell."""

    name = "timers"
    every = timedelta(seconds=1)

    def __init__(self, session: Session, posts: Mapping[str, Post]) -> None:
        self._session = session
        self._posts = posts

    async def once(self) -> None:
        """Fire what is due of the cell, and take up what is due here, as far as there is room."""
        more = True
        while more:  # a page of timers at a time, so that what is due here waits for no flood
            more = await self._once()

    async def _once(self) -> bool:
        posts, session = list(self._posts.values()), self._session
        ready = await session.claims.ready([*(p.due_key for p in posts), session.keys.timers])
        more = bool(ready) and ready[-1] == len(posts) and await session.chimes.ring()
        for position in ready:
            post = posts[position] if position < len(posts) else None
            if post is not None and post.room.free > 0:
                for taken in await session.claims.due(
                    post.group.name, post.due_key, post.streams, post.room.free
                ):
                    take_up(post, taken)
        return more
