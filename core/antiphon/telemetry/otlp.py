"""Our spans as OTLP wants them: a protobuf request, written by hand.

The library builds an object for every attribute of every span, which takes several times as long as
recording them. Most attributes repeat, so here their bytes are remembered.

Source: opentelemetry/proto/trace/v1/trace.proto, 1.x. A test compares with the library's own.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.trace import Link, SpanContext, SpanKind

from antiphon.telemetry.attributes import REPEATED_LISTS, UNREPEATED
from antiphon.telemetry.quick import QuickSpan, QuickTracer

_MOST_REMEMBERED = 4096
_BYTE = tuple(bytes((n,)) for n in range(128))
_IS_REMOTE_KNOWN, _IS_REMOTE = 0x100, 0x200
_NO_CONTEXT = SpanContext(1, 1, is_remote=False)

_IDS = struct.Struct(">2sQQ2sQ")
_TIMES = struct.Struct("<sQsQ")
_FLAGS = struct.Struct("<2sI")
_LINK_FLAGS = struct.Struct("<sI")
_FIXED64, _DOUBLE = struct.Struct("<Q"), struct.Struct("<d")
_LOW = (1 << 64) - 1

_SHORT = 100
"""Text and keys of fewer bytes make attributes of fewer than 128 together, with a few to spare."""

_attributes: dict[tuple[str, Any], bytes] = {}
_keys: dict[str, bytes] = {}
_headers: dict[QuickTracer, tuple[bytes, bytes]] = {}
_text_heads = tuple(bytes((n + 2, 0x0A, n)) for n in range(_SHORT))


def encode(spans: Sequence[Any]) -> bytes:
    """Write spans as an ``ExportTraceServiceRequest``; the SDK's own as the library does."""
    ours: dict[QuickTracer, list[bytes]] = {}
    others = []
    for span in spans:
        if isinstance(span, QuickSpan):
            ours.setdefault(span.tracer, []).append(_part(b"\x12", _span(span)))
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
        nothing: Any = QuickSpan(tracer, "", _NO_CONTEXT, None, SpanKind.INTERNAL, {}, (), 0)
        [resource] = encode_spans([nothing]).resource_spans
        [scope] = resource.scope_spans
        known = _headers[tracer] = (
            _part(b"\x0a", resource.resource.SerializeToString()),
            _part(b"\x0a", scope.scope.SerializeToString()),
        )
    return known


def _span(span: QuickSpan) -> bytes:
    context, parent, status = span.context, span.parent, span.status
    out = [_place(context)]
    if context.trace_state:
        out.append(_part(b"\x1a", context.trace_state.to_header().encode()))
    if parent is not None:
        out.append(b"\x22\x08" + parent.span_id.to_bytes(8, "big"))
    out.append(_part(b"\x2a", span.name.encode()))
    out.append(b"\x30" + _BYTE[span.kind.value + 1])
    ended = span.end_time or span.start_time
    out.append(_TIMES.pack(b"\x39", span.start_time, b"\x41", ended))
    _write(out, b"\x4a", span.attributes)
    for event in span.events:
        said = [b"\x09" + _FIXED64.pack(event.timestamp), _part(b"\x12", event.name.encode())]
        _write(said, b"\x1a", event.attributes or {})
        out.append(_part(b"\x5a", b"".join(said)))
    out.extend(_part(b"\x6a", _link(link)) for link in span.links)
    if code := status.status_code.value:
        told = _part(b"\x12", status.description.encode()) if status.description else b""
        out.append(_part(b"\x7a", told + b"\x18" + _BYTE[code]))
    else:
        out.append(b"\x7a\x00")
    out.append(_FLAGS.pack(b"\x85\x01", _flags(parent)))
    return b"".join(out)


def _link(link: Link) -> bytes:
    out = [_place(link.context)]
    _write(out, b"\x22", link.attributes or {})
    out.append(_LINK_FLAGS.pack(b"\x35", _flags(link.context)))
    return b"".join(out)


def _place(c: SpanContext) -> bytes:
    return _IDS.pack(b"\x0a\x10", c.trace_id >> 64, c.trace_id & _LOW, b"\x12\x08", c.span_id)


def _flags(context: SpanContext | None) -> int:
    remote = context is not None and context.is_remote
    return _IS_REMOTE_KNOWN | _IS_REMOTE if remote else _IS_REMOTE_KNOWN


def _write(out: list[bytes], tag: bytes, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        if (type(value) is str and key not in UNREPEATED) or key in REPEATED_LISTS:
            if (known := _attributes.get((key, value))) is None:
                known = _attribute(key, value)
                if len(_attributes) < _MOST_REMEMBERED:
                    _attributes[key, value] = known
            out.append(tag + known)
        else:
            out.append(tag + _attribute(key, value))


def _attribute(key: str, value: Any) -> bytes:
    """A key with its value, behind their length."""
    if (head := _keys.get(key)) is None:
        head = _part(b"\x0a", key.encode()) + b"\x12"
        if len(_keys) < _MOST_REMEMBERED:
            _keys[key] = head
    if type(value) is str:
        text = value.encode(errors="replace")
        size = len(head) + len(text)
        if size < _SHORT:
            return _BYTE[size + 3] + head + _text_heads[len(text)] + text
    said = _value(value)
    content = head + _number(len(said)) + said
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
