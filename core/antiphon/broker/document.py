"""What the AsyncAPI document says of a handler: a channel for each type it reads or publishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.configs import RedisBrokerConfig
from faststream.redis.subscriber.config import RedisSubscriberSpecificationConfig
from faststream.redis.subscriber.specification import StreamSubscriberSpecification
from faststream.specification.schema import Message, Operation, SubscriberSpec
from faststream.specification.schema.bindings import ChannelBinding, redis

from antiphon.handler import Handler
from antiphon.keys import Keys
from antiphon_events import Event


class HandlerSpecification(StreamSubscriberSpecification):
    """FastStream documents a subscriber as one channel; a handler may read several."""

    __slots__ = ("_kinds",)

    def __init__(
        self,
        outer: RedisBrokerConfig,
        calls: CallsCollection[Any],
        first: StreamSub,
        kinds: Mapping[str, type[Event]],
    ) -> None:
        """Describe the subscriber of `first`, which reads these streams: key to event class."""
        config = RedisSubscriberSpecificationConfig(
            title_=None, description_=None, include_in_schema=True
        )
        super().__init__(outer, config, calls, stream_sub=first)
        self._kinds = kinds

    def get_schema(self) -> dict[str, SubscriberSpec]:
        """One channel for each stream, with the schema of its events."""
        names = {f"{stream}:{self.stream_sub.group}": stream for stream in self._kinds}
        return {name: self._channel(name, stream) for name, stream in names.items()}

    def _channel(self, name: str, stream: str) -> SubscriberSpec:
        schema = self._kinds[stream].model_json_schema()
        message = Message(title=f"{name}:Message", payload=schema)
        binding = redis.ChannelBinding(
            channel=stream, group_name=self.stream_sub.group, method="xreadgroup"
        )
        return SubscriberSpec(
            address=stream,
            description=self.description,
            operation=Operation(message=message, bindings=None),
            bindings=ChannelBinding(redis=binding),
        )


def document_completions(handler: Handler, broker: RedisBroker, keys: Keys) -> None:
    """Have the document say what a handler publishes, under the handler's own name."""
    for completion in handler.signature.completions:
        stream = keys.events(completion.type)
        broker.publisher(
            stream=stream, schema=completion, title=f"{stream}:{handler.group}:Publisher"
        )
