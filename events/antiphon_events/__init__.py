"""The vocabulary of Antiphon: the envelope, the event, and the catalogue of both."""

from antiphon_events.approvals import (
    ApprovalDenied,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRequested,
)
from antiphon_events.attribute import MAX_ATTRIBUTE_BYTES, InvalidAttribute
from antiphon_events.decoding import UndecodableData, attach, decode, parse_event
from antiphon_events.envelope import Envelope, UndecodableFields
from antiphon_events.event import Event
from antiphon_events.failures import (
    CacheLost,
    DatabaseFailed,
    DependencyUnavailable,
    Failure,
    ServiceDegraded,
    ServiceFailed,
    ServiceUnhealthy,
)
from antiphon_events.fields import data_schema
from antiphon_events.ids import derived_id, uuid7, uuid7_ms
from antiphon_events.lifecycle import (
    Lifecycle,
    RecoveryCancelled,
    RecoveryCompleted,
    RecoveryEscalated,
    RecoveryFailed,
    RecoveryHalted,
    RecoveryPartial,
    RecoveryStalled,
)
from antiphon_events.recoveries import (
    CacheWarmed,
    DatabaseRestored,
    ServiceRecovered,
    ServiceRestarted,
)
from antiphon_events.registry import event_class, event_types
from antiphon_events.schema import catalogue, json_schema
from antiphon_events.selector import Selector
from antiphon_events.steps import ChildClosed, JoinTimedOut, StepFailed
from antiphon_events.upcasters import upcaster

__all__ = [
    "MAX_ATTRIBUTE_BYTES",
    "ApprovalDenied",
    "ApprovalExpired",
    "ApprovalGranted",
    "ApprovalRequested",
    "CacheLost",
    "CacheWarmed",
    "ChildClosed",
    "DatabaseFailed",
    "DatabaseRestored",
    "DependencyUnavailable",
    "Envelope",
    "Event",
    "Failure",
    "InvalidAttribute",
    "JoinTimedOut",
    "Lifecycle",
    "RecoveryCancelled",
    "RecoveryCompleted",
    "RecoveryEscalated",
    "RecoveryFailed",
    "RecoveryHalted",
    "RecoveryPartial",
    "RecoveryStalled",
    "Selector",
    "ServiceDegraded",
    "ServiceFailed",
    "ServiceRecovered",
    "ServiceRestarted",
    "ServiceUnhealthy",
    "StepFailed",
    "UndecodableData",
    "UndecodableFields",
    "attach",
    "catalogue",
    "data_schema",
    "decode",
    "derived_id",
    "event_class",
    "event_types",
    "json_schema",
    "parse_event",
    "upcaster",
    "uuid7",
    "uuid7_ms",
]
