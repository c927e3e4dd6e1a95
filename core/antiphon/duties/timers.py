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
        """Take up what is due, as far as there is room."""
        posts, session = list(self._posts.values()), self._session
        due_keys = [*(post.due_key for post in posts), session.keys.timers]
        ready = await session.claims.ready(due_keys)
        if ready and ready[-1] == len(posts):
            ready.pop()
            more = True
            while more:
                more = await session.chimes.ring()
            ready = await session.claims.ready(due_keys[:-1])
        for position in ready:
            post = posts[position]
            if post.room.free > 0:
                for taken in await session.claims.due(
                    post.group.name, post.due_key, post.streams, post.room.free
                ):
                    take_up(post, taken)
