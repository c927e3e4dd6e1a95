"""The portable form of a part: JSON that says all of it, so that another process can read it.

Two releases of Antiphon may share a cell: what a reader does not know it passes over, and a form
that it cannot read it refuses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from antiphon.choreography.aim import Aim
from antiphon.choreography.emission import Emission, How
from antiphon.choreography.fact import Fact, Kind
from antiphon.choreography.part import Part, Trigger
from antiphon.choreography.promise import Alternative
from antiphon.duration import milliseconds
from antiphon.flow.approval import Approval

_FORM = 1
_PLACE = frozenset({"file", "line"})


@dataclass(frozen=True, slots=True)
class Description:
    """What a handler does, and what its service is for."""

    part: Part
    aims: tuple[Aim, ...] = ()
    """The goals of its service."""

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits by which two descriptions of a handler are told apart.

        Where its code stands does not count: the same release may be installed anywhere.
        """
        told = {name: value for name, value in _part(self.part).items() if name not in _PLACE}
        text = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()[:16]

    def to_json(self) -> bytes:
        """Write it."""
        aims = [_aim(aim) for aim in self.aims]
        return orjson.dumps({"form": _FORM, "part": _part(self.part), "aims": aims})

    @classmethod
    def from_json(cls, text: bytes | str) -> Description:
        """Read it.

        Raises:
            ValueError: it is none, or of a later form.
        """
        told = orjson.loads(text)
        try:
            if told["form"] != _FORM:
                raise ValueError(f"a description of form {told['form']!r}, not {_FORM}")
            return cls(_read_part(told["part"]), tuple(map(_read_aim, told["aims"])))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a description of a handler: {error!r}") from error


def _part(part: Part) -> dict[str, Any]:
    return {
        "group": part.group,
        "service": part.service,
        "file": part.file,
        "line": part.line,
        "triggers": [_trigger(one) for one in part.triggers],
        "needed": part.needed,
        "emissions": [
            {**_fact(one.fact), "how": one.how.value, "after": one.after} for one in part.emissions
        ],
        "alternatives": [
            {"facts": [_fact(fact) for fact in one.facts], "vague": one.vague}
            for one in part.alternatives
        ],
        "unsaid": sorted(how.value for how in part.unsaid),
        "losers": part.losers,
        "within_ms": _ms(part.within),
        "approval": None if part.approval is None else _approval(part.approval),
        "undo": part.undo,
        "attempts": part.attempts,
        "timeout_ms": _ms(part.timeout),
        "guards": [list(pair) for pair in part.guards],
        "accepted": [list(pair) for pair in part.accepted],
    }


def _read_part(told: Mapping[str, Any]) -> Part:
    return Part(
        group=str(told["group"]),
        service=str(told["service"]),
        file=str(told["file"]),
        line=int(told["line"]),
        triggers=tuple(map(_read_trigger, told["triggers"])),
        needed=told["needed"],
        emissions=tuple(
            Emission(_read_fact(one), How(one["how"]), str(one["after"]))
            for one in told["emissions"]
        ),
        alternatives=tuple(
            Alternative(tuple(map(_read_fact, one["facts"])), vague=bool(one["vague"]))
            for one in told["alternatives"]
        ),
        unsaid=frozenset(map(How, told["unsaid"])),
        losers=str(told["losers"]),
        within=_length(told["within_ms"]),
        approval=None if told["approval"] is None else _read_approval(told["approval"]),
        undo=told["undo"],
        attempts=int(told["attempts"]),
        timeout=_length(told["timeout_ms"]),
        guards=tuple(_pairs(told["guards"])),
        accepted=tuple(_pairs(told["accepted"])),
    )


def _trigger(trigger: Trigger) -> dict[str, Any]:
    return {
        "type": trigger.type,
        "kind": trigger.kind.value,
        "subjects": list(trigger.subjects),
        "conditional": trigger.conditional,
    }


def _read_trigger(told: Mapping[str, Any]) -> Trigger:
    subjects = tuple(map(str, told["subjects"]))
    kind, conditional = Kind(told["kind"]), bool(told["conditional"])
    return Trigger(str(told["type"]), kind, subjects, conditional=conditional)


def _fact(fact: Fact) -> dict[str, Any]:
    return {"type": fact.type, "kind": fact.kind.value, "subject": fact.subject}


def _read_fact(told: Mapping[str, Any]) -> Fact:
    return Fact(str(told["type"]), Kind(told["kind"]), told["subject"])


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        "tiers": [list(tier) for tier in approval.tiers],
        "quorum": approval.quorum,
        "within_ms": _ms(approval.within),
        "otherwise": approval.otherwise,
    }


def _read_approval(told: Mapping[str, Any]) -> Approval:
    first, *further = told["tiers"]
    return Approval(
        first,
        then=further,
        quorum=told["quorum"],
        within=_length(told["within_ms"]),
        otherwise=told["otherwise"],
    )


def _aim(aim: Aim) -> dict[str, Any]:
    return {
        "service": aim.service,
        "file": aim.file,
        "line": aim.line,
        "failure": _trigger(aim.failure),
        "completion": _trigger(aim.completion),
    }


def _read_aim(told: Mapping[str, Any]) -> Aim:
    return Aim(
        service=str(told["service"]),
        file=str(told["file"]),
        line=int(told["line"]),
        failure=_read_trigger(told["failure"]),
        completion=_read_trigger(told["completion"]),
    )


def _ms(length: timedelta | None) -> int | None:
    return None if length is None else milliseconds(length)


def _length(ms: int | None) -> timedelta | None:
    return None if ms is None else timedelta(milliseconds=ms)


def _pairs(told: Iterable[Iterable[str]]) -> Iterable[tuple[str, str]]:
    for name, value in told:
        yield str(name), str(value)
