"""How this process runs, from ``ANTIPHON_…`` environment variables or keyword arguments.

Settings are read once, checked as a whole, and never change: a process either starts with values
that make sense together, or does not start.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from antiphon.address import Address
from antiphon.duration import Duration, format_duration
from antiphon.errors import ConfigurationError
from antiphon.guards.quota import Quota

ENV_PREFIX = "ANTIPHON_"

_REDIS_SCHEMES = ("redis", "rediss", "unix")
_SHORTEST_LEASE = timedelta(milliseconds=200)
_LARGEST_PAYLOAD_BYTES = 64 * 1024 * 1024

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


def _plain_name(name: str) -> str:
    # Names become parts of Redis keys, where ":" separates and "{}" tag.
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name: use 1 to 128 of A-Z a-z 0-9 . _ -")
    return name


def _address(text: str) -> str:
    return str(Address.parse(text))


def _at_least(shortest: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if value < shortest:
            raise ValueError(
                f"{format_duration(value)} is too short: at least {format_duration(shortest)}"
            )
        return value

    return AfterValidator(check)


_Name = Annotated[str, AfterValidator(_plain_name)]
_Positive = Annotated[Duration, _at_least(timedelta(milliseconds=1))]
_LowerCase = BeforeValidator(lambda text: text.lower() if isinstance(text, str) else text)
_OrOff = BeforeValidator(
    lambda text: None if isinstance(text, str) and text.lower() == "off" else text
)
# Quotas and lists of durations are written as text, not as JSON.
_SomeQuota = Annotated[Quota, NoDecode]
_MaybeQuota = Annotated[Quota | None, _OrOff, NoDecode]
_Durations = Annotated[
    tuple[_Positive, ...],
    BeforeValidator(lambda text: text.split(",") if isinstance(text, str) else text),
    NoDecode,
]
_MaybePositive = Annotated[_Positive | None, _OrOff]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]


class HandlerGuards(BaseModel):
    """What a deployment sets for one handler; what it leaves out stays as the code says.

    ``off`` takes a guard away.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: _MaybeQuota = None
    """Attempts per subject, such as ``3/10m``."""

    rate: _MaybeQuota = None
    """Attempts in all, such as ``30/1m``."""

    max_age: _MaybePositive = None
    """The oldest failure it acts on."""

    max_visits: _Count | None = None
    """How often it may run for one subject in one recovery."""


class ServiceGuards(BaseModel):
    """What a deployment sets for one service as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: _MaybeQuota = None
    """Attempts of all its handlers together."""


Partial = Literal["accept", "escalate", "roll-back"]


class RecoveryTerms(BaseModel):
    """What a deployment sets for the recoveries that events of one type open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline: _MaybePositive = None
    """When such a recovery should be over, from its opening."""

    partial: Partial | None = None
    """What becomes of one of which a part did not complete."""


class Settings(BaseSettings):
    """Everything a publisher, a worker or a command needs to know about its surroundings.

    Raises:
        ConfigurationError: A value is wrong, or two values contradict each other. The message is
            one line and names each setting with its value and what is allowed.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
    )

    redis_url: Annotated[str | None, Field(repr=False)] = None
    """The Redis server: ``redis://``, ``rediss://`` or ``unix://``. None: look for a local one."""

    cell: _Name = "antiphon"
    """The namespace: every key begins with it, in braces, and so lives in one hash slot."""

    consumer: _Name | None = None
    """This worker's name in its consumer groups. None: a unique one from host, pid and chance."""

    concurrency: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Deliveries that run at once, per handler."""

    lease: Annotated[Duration, _at_least(_SHORTEST_LEASE)] = timedelta(seconds=30)
    """How long a worker may be silent before its deliveries are claimed by another."""

    claim_every: _Positive = Field(default_factory=lambda values: values["lease"] / 2)
    """How often a worker looks for deliveries to claim. Half the lease unless given."""

    block: _Positive = timedelta(seconds=10)
    """How long one read waits for new entries."""

    drain: Duration = timedelta(seconds=30)
    """How long a stopping worker lets deliveries finish before it hands them back."""

    unheard_after: _Positive = timedelta(hours=1)
    """How long an event that no handler answers holds its recovery open."""

    key_retention: _Positive = timedelta(hours=24)
    """How long an idempotency key is remembered after the work was done."""

    record_retention: _Positive = timedelta(days=7)
    """How long the record of a recovery is kept after it closed."""

    history_retention: _MaybePositive = timedelta(days=400)
    """How long a digest of a recovery is kept for reviews, beyond its record. ``off``: not."""

    history_limit: Annotated[int, Field(ge=1, le=100_000_000)] = 100_000
    """The most digests that are kept; the oldest days go first."""

    stream_retention: _Positive = timedelta(hours=24)
    """How long an event stays in its stream once nothing can need it any more."""

    max_payload_bytes: Annotated[int, Field(ge=2, le=_LARGEST_PAYLOAD_BYTES)] = 262_144
    """The largest ``data`` of an event, in bytes of JSON."""

    coalesce: bool = True
    """Let a failure of a type and subject that has an open recovery join it."""

    max_age: _MaybePositive = timedelta(hours=1)
    """The oldest failure that is acted on; an older one is escalated. ``off``: any age."""

    max_hops: _Count = 16
    """The longest chain of causes in a recovery."""

    max_events: _Count = 256
    """The most events in a recovery."""

    max_visits: _Count = 3
    """How often a handler may run for one subject in a recovery; retries are not counted."""

    rate: _MaybeQuota = None
    """The most attempts of all handlers of the cell together, such as ``600/1m``."""

    hold: _MaybePositive = timedelta(minutes=10)
    """A failure this soon after its subject's successful recovery is a relapse. ``off``: never."""

    relapses: _SomeQuota = Quota(3, per="1h")
    """So many relapses within so long put the subject into human hands."""

    storm: _MaybeQuota = Quota(50, per="1m")
    """More subjects failing within so long park all new recoveries. ``off``: no brake."""

    escalate_after: _Durations = (timedelta(minutes=15), timedelta(minutes=30))
    """How long an escalation waits to be acknowledged before it goes up a tier, tier by tier."""

    deadline: _MaybePositive = None
    """When a recovery should be over, from its opening; then people are told. ``off``: never."""

    partial: Partial = "roll-back"
    """A part of a recovery did not complete: ``accept`` that, ``escalate`` it, or ``roll-back`` the
    completed steps that say how (``undo=``)."""

    recoveries: dict[str, RecoveryTerms] = Field(default_factory=dict)
    """The deadline and ``partial`` of recoveries, by the type of the event that opens them."""

    handlers: dict[str, HandlerGuards] = Field(default_factory=dict)
    """Guards of single handlers, by ``service.handler``."""

    services: dict[str, ServiceGuards] = Field(default_factory=dict)
    """Guards of single services, by name."""

    serve: Annotated[Annotated[str, AfterValidator(_address)] | None, _OrOff] = "127.0.0.1:9464"
    """Where ``antiphon run`` tells metrics and health, as ``HOST:PORT``. ``off``: nowhere."""

    log_format: Annotated[Literal["json", "console"], _LowerCase] = "json"
    """One JSON object per line, or lines for people."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], _LowerCase] = "info"
    """The least severe level that is logged."""

    otel: bool | None = None
    """Record spans with OpenTelemetry. None: where OpenTelemetry is set up."""

    insecure: bool = False
    """Allow a server on another machine without TLS and a password."""

    allow_eviction: bool = False
    """Work on a server that may throw keys away when its memory runs out."""

    @field_validator("redis_url")
    @classmethod
    def _check_scheme(cls, url: str | None) -> str | None:
        scheme, separator, _ = (url or "").partition("://")
        if url is not None and not (separator and scheme in _REDIS_SCHEMES):
            # The URL may hold a password: name what is allowed, never the value.
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.key_retention <= self.lease:
            raise ValueError(
                f"key_retention {format_duration(self.key_retention)} must be longer than "
                f"lease {format_duration(self.lease)}: a claimed delivery would find its "
                "idempotency key forgotten and do the work twice"
            )
        if self.claim_every > self.key_retention:
            raise ValueError(
                f"claim_every {format_duration(self.claim_every)} must not exceed "
                f"key_retention {format_duration(self.key_retention)}: a delivery would be "
                "claimed after its idempotency key was forgotten"
            )
        if self.hold is not None and self.hold >= self.record_retention:
            raise ValueError(
                f"hold {format_duration(self.hold)} must be shorter than record_retention "
                f"{format_duration(self.record_retention)}: a relapse would find the recovery it "
                "relapsed from forgotten"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  ours says what is wrong
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then the file ``ANTIPHON_CONFIG`` names."""
        return init_settings, _Environment(settings_cls), _config_file(settings_cls)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            # `from None`: pydantic's own text repeats the input, which may hold a password.
            raise ConfigurationError(_explanation(error)) from None


class _Environment(EnvSettingsSource):
    """The environment, plain about what cannot be read."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Read what is written as JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError as error:
            raise ConfigurationError(
                f"wrong settings: {field_name} ({ENV_PREFIX}{field_name.upper()}): {value!r} is "
                f"not JSON: {error}"
            ) from error


def _config_file(settings_cls: type[BaseSettings]) -> PydanticBaseSettingsSource:
    """The settings in the file that ``ANTIPHON_CONFIG`` names, if it names one."""
    path = os.environ.get(f"{ENV_PREFIX}CONFIG") or None
    try:
        if path is not None:
            Path(path).open(
                "rb"
            ).close()  # pydantic takes a file that is not there for an empty one
        return TomlConfigSettingsSource(settings_cls, path)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{ENV_PREFIX}CONFIG: {path!r} cannot be read: {error}") from error


def _explanation(error: ValidationError) -> str:
    """Write pydantic's errors as one line of plain words."""
    # A default that could not be computed from a wrong value is an echo of that value's own error.
    problems = [
        _problem(detail)
        for detail in error.errors(include_url=False)
        if detail["type"] != "default_factory_not_called"
    ]
    return "wrong settings: " + "; ".join(problems)


def _problem(detail: ErrorDetails) -> str:
    if not detail["loc"]:
        return str(detail["ctx"]["error"])
    name = str(detail["loc"][0])
    inner = "".join(f".{part}" for part in detail["loc"][1:])
    where = f"{name}{inner} ({ENV_PREFIX}{name.upper()})"
    match detail["type"]:
        case "extra_forbidden":
            return f"{name}{inner}: there is no such setting"
        case "value_error":
            return f"{where}: {detail['ctx']['error']}"
        case _ if name == "redis_url":  # may hold a password
            return f"{where}: {detail['msg']}"
        case _:
            return f"{where}: {detail['input']!r} is refused: {detail['msg']}"
