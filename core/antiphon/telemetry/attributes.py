"""The names of what spans say: those of the messaging conventions, and our own."""

from __future__ import annotations

from typing import Final

# OpenTelemetry semantic conventions, messaging (1.41) and errors.
SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
GROUP: Final = "messaging.consumer.group.name"
CLIENT: Final = "messaging.client.id"
MESSAGE_ID: Final = "messaging.message.id"
CONVERSATION_ID: Final = "messaging.message.conversation_id"
ERROR_TYPE: Final = "error.type"

# What happens to whom.
CELL: Final = "antiphon.cell"
SERVICE: Final = "antiphon.service"
EVENT_TYPE: Final = "antiphon.event.type"
SUBJECT: Final = "antiphon.subject"
CAUSATION_ID: Final = "antiphon.causation_id"
PARENT: Final = "antiphon.parent"
HOPS: Final = "antiphon.hops"
ENTRY: Final = "antiphon.entry"

# A step.
ATTEMPT: Final = "antiphon.attempt"
TOKEN: Final = "antiphon.token"  # noqa: S105 - a fencing token is no secret
TAKEN_OVER_FROM: Final = "antiphon.taken_over_from"
BRANCHES: Final = "antiphon.branches"
UNDO: Final = "antiphon.undo"
UNAPPROVED: Final = "antiphon.unapproved"
OUTCOME: Final = "antiphon.outcome"
PUBLISHED: Final = "antiphon.published"
DELAY: Final = "antiphon.delay_ms"

# A decision against a step, and what it says of the guard.
DECISION: Final = "antiphon.decision"
GUARD: Final = "antiphon.guard"
GUARD_NAME: Final = "antiphon.guard.name"
GUARD_LIMIT: Final = "antiphon.guard.limit"
GUARD_VALUE: Final = "antiphon.guard.value"
REASON: Final = "antiphon.reason"
OF: Final = "antiphon.of"

# Publishing from outside a step.
COALESCED: Final = "antiphon.coalesced"
REPEATED: Final = "antiphon.repeated"

# A link.
LINK: Final = "antiphon.link"
