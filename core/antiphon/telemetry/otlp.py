"""Our spans as OTLP wants them: a protobuf request, written by hand.

The library builds an object for every attribute of every span, which takes several times as long as
recording them. Most attributes repeat, so here their bytes are remembered.

Source: opentelemetry/proto/trace/v1/trace.proto, 1.x. A test compares with the library's own.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from antiphon.telemetry.attributes import REPEATED_LISTS, UNREPEATED, Attributes, Fixed
from antiphon.telemetry.quick import QuickSpan, QuickTracer

_MOST_REMEMBERED = 4096
_BYTE = tuple(bytes((n,)) for n in range(128))
_IDS = struct.Struct(">2sQQ2sQ")
_TIMES = struct.Struct("<sQsQ")
_FIXED64, _DOUBLE = struct.Struct("<Q"), struct.Struct("<d")
_LOW = (1 << 64) - 1
_NOT_REMOTE, _REMOTE = (0x100).to_bytes(4, "little"), (0x300).to_bytes(4, "little")
"""Whether a span is of another process; that this is known at all is a bit of its own."""

_SHORT = 100
"""Text and keys of fewer bytes make attributes of fewer than 128 together, with a few to spare."""

_attributes: dict[tuple[str, Any], bytes] = {}
_keys: dict[str, bytes] = {}
_headers: dict[QuickTracer, tuple[bytes, bytes]] = {}
_text_heads = tuple(bytes((n + 2, 0x0A, n)) for n in range(_SHORT))


class Written:
    """A span of ours that has ended, as bytes.

    Objects that wait in a queue are work for the interpreter's collector of garbage; bytes are not.
    """

    __slots__ = ("said", "tracer")

    context = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    """What the SDK's processor looks at: it is to be exported."""

    def __init__(self, span: QuickSpan) -> None:
        self.said = _part(b"\x12", _span(span))
        self.tracer = span.tracer


def encode(spans: Sequence[Any]) -> bytes:
    """Write spans as an ``ExportTraceServiceRequest``; the SDK's own as the library does."""
    ours: dict[QuickTracer, list[bytes]] = {}
    others = []
    for span in spans:
        if isinstance(span, Written):
            ours.setdefault(span.tracer, []).append(span.said)
        else:
            others.append(span)
    # Two requests, one behind the other, are one with the parts of both: so protobuf merges.
    request = [encode_spans(others).SerializeToString()] if others else []
    for tracer, written in ours.items():
        resource, scope = _header(tracer)
        request.append(_part(b"\x0a", resource + _part(b"\x12", scope + b"".join(written))))
    return b"".join(request)


def _header(tracer: QuickTracer) -> tuple[bytes, bytes]:
    """What a tracer's spans have in common: their resource and their scope."""
    if (known := _headers.get(tracer)) is None:
        nothing: Any = QuickSpan(tracer, "", 1, 1, 0, SpanKind.INTERNAL, Attributes(Fixed()), (), 0)
        [resource] = encode_spans([nothing]).resource_spans
        [scope] = resource.scope_spans
        known = _headers[tracer] = (
            _part(b"\x0a", resource.resource.SerializeToString()),
            _part(b"\x0a", scope.scope.SerializeToString()),
        )
    return known


def _span(span: QuickSpan) -> bytes:
    status, trace_id = span.status, span.trace_id
    out = [_IDS.pack(b"\x0a\x10", trace_id >> 64, trace_id & _LOW, b"\x12\x08", span.span_id)]
    if span.state:
        out.append(_part(b"\x1a", span.state.to_header().encode()))
    if span.parent_id:
        out += (b"\x22\x08", span.parent_id.to_bytes(8, "big"))
    out += (_text(b"\x2a", span.name), b"\x30", _BYTE[span.kind.value + 1])
    ended = span.end_time or span.start_time
    out.append(_TIMES.pack(b"\x39", span.start_time, b"\x41", ended))
    rest: Iterable[tuple[str, Any]] = span.attributes.items()
    if (fixed := span.attributes.fixed) is not None:
        out.append(_fixed(fixed, b"\x4a"))
        rest = itertools.islice(rest, len(fixed), None)
    _write(out, b"\x4a", rest)
    for event in span.events:
        said = [
            b"\x09",
            _FIXED64.pack(event.timestamp),
            _text(b"\x12", event.name),
        ]
        _write(said, b"\x1a", (event.attributes or {}).items())
        out.append(_part(b"\x5a", b"".join(said)))
    out.extend(_part(b"\x6a", _link(link)) for link in span.links)
    if code := status.status_code.value:
        told = _text(b"\x12", status.description) if status.description else b""
        out.append(_part(b"\x7a", told + b"\x18" + _BYTE[code]))
    else:
        out.append(b"\x7a\x00")
    remote = span.parent_id and span.remote
    out += (b"\x85\x01", _REMOTE if remote else _NOT_REMOTE)
    return b"".join(out)


def _link(link: Link) -> bytes:
    attributes: Any = link.attributes or {}
    if type(attributes) is Fixed:
        said = _fixed(attributes, b"\x22")
    else:
        out: list[bytes] = []
        _write(out, b"\x22", attributes.items())
        said = b"".join(out)
    place = link.context
    remote = _REMOTE if place.is_remote else _NOT_REMOTE
    return b"".join((_place(place), said, b"\x35", remote))


def _place(c: SpanContext) -> bytes:
    trace_id = c.trace_id
    return _IDS.pack(b"\x0a\x10", trace_id >> 64, trace_id & _LOW, b"\x12\x08", c.span_id)


def _fixed(fixed: Fixed, tag: bytes) -> bytes:
    """The attributes that many spans or links have in common: written once."""
    try:
        return fixed.said
    except AttributeError:
        out: list[bytes] = []
        _write(out, tag, fixed.items())
        fixed.said = b"".join(out)
        return fixed.said


def _write(out: list[bytes], tag: bytes, attributes: Iterable[tuple[str, Any]]) -> None:
    for key, value in attributes:
        if type(value) is str and key in UNREPEATED:
            head, text = _head(key), value.encode(errors="replace")
            size = len(head) + len(text)
            if size < _SHORT:
                out += (tag, _BYTE[size + 3], head, _text_heads[len(text)], text)
            else:
                out += (tag, _attribute(key, value))
        elif type(value) is str or (key in REPEATED_LISTS and _is_texts(value)):
            if (known := _attributes.get((key, value))) is None:
                known = _attribute(key, value)
                if len(_attributes) < _MOST_REMEMBERED:
                    _attributes[key, value] = known
            out += (tag, known)
        elif type(value) is int and 0 <= value < len(_BYTE):
            head = _head(key)
            out += (tag, _number(len(head) + 3), head, b"\x02\x18", _BYTE[value])
        else:
            out += (tag, _attribute(key, value))


def _is_texts(value: Any) -> bool:
    """Whether it is safe to remember: 1, 1.0 and True are equal, and not written alike."""
    return type(value) is tuple and all(type(one) is str for one in value)


def _head(key: str) -> bytes:
    """A key, up to where its value begins."""
    if (known := _keys.get(key)) is None:
        known = _part(b"\x0a", key.encode()) + b"\x12"
        if len(_keys) < _MOST_REMEMBERED:
            _keys[key] = known
    return known


def _attribute(key: str, value: Any) -> bytes:
    """A key with its value, behind their length."""
    said = _value(value)
    content = b"".join((_head(key), _number(len(said)), said))
    return _number(len(content)) + content


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return _part(b"\x0a", value.encode(errors="replace"))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + _number(value & _LOW)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE.pack(value)
    return _part(b"\x2a", b"".join(_part(b"\x0a", _value(one)) for one in value))


def _text(tag: bytes, text: str) -> bytes:
    return _part(tag, text.encode(errors="replace"))


def _part(tag: bytes, content: bytes) -> bytes:
    return tag + _number(len(content)) + content


def _number(n: int) -> bytes:
    """A varint."""
    if n < 128:  # noqa: PLR2004 - seven bits a byte
        return _BYTE[n]
    out = bytearray()
    while n > 127:  # noqa: PLR2004 - as above
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)
