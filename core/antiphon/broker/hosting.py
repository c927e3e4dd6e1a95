"""FastStream as the host: a handler is one of its subscribers, with injection and middlewares.

The subscriber does not read. Starting it puts the handler to work in Antiphon's worker, because
FastStream's group reader strands entries and its path costs ten times ours. A delivery passes
through FastStream's own machinery exactly when that machinery has something to do: when the handler
asks for injected parameters, or when the broker has middlewares or dependencies.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Union, get_origin

from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from faststream import AckPolicy, Context, FastStream
from faststream._internal.broker.registrator import Registrator
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.message import FAKE_CONSUMER, RedisStreamMessage
from faststream.redis.subscriber.config import RedisSubscriberConfig
from faststream.redis.subscriber.usecases import LogicSubscriber
from faststream.specification import AsyncAPI
from pydantic import SkipValidation

from antiphon.broker.document import HandlerSpecification, document_completions
from antiphon.broker.server import resolve_url
from antiphon.delivery import Delivery
from antiphon.flow.join import Joined
from antiphon.handler import Handler
from antiphon.invoking import awaitable, direct
from antiphon.keys import Keys
from antiphon.recovery import Recovery
from antiphon.settings import Settings
from antiphon.telemetry.logging import configure, configured
from antiphon.worker import Worker
from antiphon_events import Event

Broker = RedisBroker
App = FastStream


class HandlerSubscriber(LogicSubscriber):
    """A FastStream subscriber whose entries are read, guarded and settled by Antiphon."""

    def __init__(self, handler: Handler, worker: Worker, broker: RedisBroker, keys: Keys) -> None:
        outer: Any = broker.config  # a composition that stands for the configuration it composes
        kinds = {keys.events(name): kind for name, kind in handler.kinds.items()}
        stream = StreamSub(next(iter(kinds)), group=handler.group, consumer=handler.service)
        config = RedisSubscriberConfig(
            stream_sub=stream,
            no_reply=True,
            _outer_config=outer,
            _ack_policy=AckPolicy.MANUAL,
        )
        config.parser, config.decoder = _parse, _decode
        calls = CallsCollection[Any]()
        super().__init__(config, HandlerSpecification(outer, calls, stream, kinds), calls)
        self._handler = handler
        self._worker = worker
        self.add_call(parser_=None, decoder_=None, dependencies_=())
        self(_presented(handler))

    async def start(self) -> None:
        """Put the handler to work."""
        self._build_fastdepends_model()
        self._post_start()
        outer = self._outer_config
        plain = not (
            self._handler.signature.injected
            or outer.broker_middlewares
            or outer.broker_dependencies
        )
        await self._worker.begin(
            self._handler, direct(self._handler) if plain else self._through_faststream
        )

    async def stop(self) -> None:
        """Take the whole worker from work; its subscribers stop together."""
        self.running = False
        await self._worker.stop()

    async def get_one(self, *, timeout: float = 5) -> None:  # noqa: ASYNC109  FastStream's name
        """Not offered: a delivery that is not admitted is not guarded."""
        raise NotImplementedError("read a recovery's events with `antiphon trace`")

    def __aiter__(self) -> AsyncIterator[Any]:
        """Not offered: a delivery that is not admitted is not guarded."""
        raise NotImplementedError("read a recovery's events with `antiphon trace`")

    async def _get_msgs(self, *_: Any) -> None:
        raise NotImplementedError("Antiphon's reader reads")

    def get_log_context(self, message: Any) -> dict[str, str]:
        """The fields FastStream's own log lines carry."""
        return self.build_log_context(message, channel=self._handler.group)

    async def _through_faststream(
        self, argument: Event | Joined, recovery: Recovery, delivery: Delivery
    ) -> object:
        raw: Any = {
            "type": "stream",
            "channel": delivery.stream,
            "message_ids": [delivery.entry_id.encode()],
            "data": {},
            "antiphon": (argument, delivery),
        }
        with self._outer_config.context.scope("recovery", recovery):
            response = await self.process_message(raw)
        return response.body


async def _parse(raw: Any) -> RedisStreamMessage:
    _, delivery = raw["antiphon"]
    envelope = delivery.envelope
    return RedisStreamMessage(
        raw_message=raw,
        body=b"",
        headers={"type": envelope.type, "subject": envelope.subject},
        message_id=envelope.id,
        correlation_id=envelope.correlation_id,
        content_type="application/json",
        consumer=FAKE_CONSUMER,
        group=delivery.handler.group,
    )


async def _decode(message: RedisStreamMessage) -> object:
    argument, _ = message.raw_message["antiphon"]  # type: ignore[typeddict-item]
    return argument


def subscribe(handler: Handler, worker: Worker, broker: RedisBroker, keys: Keys) -> None:
    """Make a handler one of the broker's subscribers, and document what it publishes."""
    subscriber = HandlerSubscriber(handler, worker, broker, keys)
    Registrator.subscriber(broker, subscriber)
    document_completions(handler, broker, keys)


def _presented(handler: Handler) -> Callable[..., Awaitable[object]]:
    """The handler's function as FastStream's injection wants it: one message, the rest provided."""
    signature, function = handler.signature, awaitable(handler)
    events: Any = Union[tuple(handler.kinds.values())]  # noqa: UP007
    parameters = []
    for name, parameter in inspect.signature(handler.function, eval_str=True).parameters.items():
        if name == signature.event:
            # Validated already, by admission; the type is there for the AsyncAPI document.
            shown = parameter.replace(annotation=Annotated[events, SkipValidation])
        elif name == signature.recovery:
            shown = parameter.replace(
                annotation=Annotated[Recovery, SkipValidation, Context("recovery")]
            )
        elif _keeps_its_default(parameter):
            continue  # FastStream would look for it in the message
        else:
            shown = parameter
        parameters.append(shown)
    seen = inspect.Signature(parameters)

    async def presented(*args: object, **kwargs: object) -> object:
        return await function(**seen.bind(*args, **kwargs).arguments)

    presented.__name__ = handler.name
    presented.__doc__ = handler.function.__doc__
    presented.__module__ = handler.function.__module__
    presented.__signature__ = seen  # type: ignore[attr-defined]
    presented.__annotations__ = {p.name: p.annotation for p in parameters}
    return presented


def _keeps_its_default(parameter: inspect.Parameter) -> bool:
    return (
        parameter.default is not inspect.Parameter.empty
        and not isinstance(parameter.default, Dependant | CustomField)
        and get_origin(parameter.annotation) is not Annotated
    )


def new_broker(settings: Settings) -> Broker:
    """A broker for a service that was given none.

    Antiphon opens connections of its own for reading and settling; the broker's is for what the
    user publishes through FastStream.
    """
    silent: Any = None
    return RedisBroker(resolve_url(settings), logger=silent)


def new_app(broker: Broker, title: str, settings: Settings) -> App:
    """The application that runs a broker, with Antiphon's logs unless logging is set up."""
    if not configured():
        configure(settings.log_format, settings.log_level)
    return FastStream(broker, logger=None, specification=AsyncAPI(title=title))
