"""What of a server's message a model reads, where a note stands, what is left when redacted.

A note never goes into `structuredContent`, whose shape the tool's `outputSchema` fixes, nor into
another block's text: it is a block of its own, which every client that shows a result shows. It
stands first, so that a model reads it before the text it is about; but last where a program is
likely to read the first block (a result with `structuredContent`, a text that is JSON, the contents
of a resource).
"""

from collections.abc import Callable
from typing import Final

import orjson

from mcpguard.errors import ScanError
from mcpguard.model import Json, JsonObject
from mcpguard.scan import Detector, Hit, find, redact
from mcpguard.scan.needles import none_of
from mcpguard.scan.redact import placeholder
from mcpguard.wire.blobs import PICTURES, packed, packed_in, texts

__all__ = [
    "annotated",
    "annotated_error",
    "encoded",
    "only_text",
    "quiet_of",
    "readable",
    "redacted",
    "restored",
]

_BLOCKS: Final = frozenset({"content", "contents", "messages"})
"""Members of a result under which blocks stand."""

_NESTED: Final = frozenset({"content", "resource"})
"""Members of a block or message under which blocks stand."""

_UNREAD: Final = frozenset({"_meta", "requestState"})
"""Members of a message that no model is shown."""


def readable(message: JsonObject, target: str = "") -> JsonObject:
    """`message` with None for what no model reads as text: `_meta`, pictures, sounds, other bytes.

    Base64 of a text is that text; a list of texts where it can be read as more than one.
    `target`: the URI that was asked for, whose repetition is nothing new to the model.
    """
    made: JsonObject = {}
    for key, value in message.items():
        if key in _UNREAD:
            made[key] = None
        else:
            made[key] = _blocks(value, target) if key in _BLOCKS else value
    return made


def _blocks(value: Json, target: str) -> Json:
    if isinstance(value, list):
        return [_blocks(each, target) for each in value]
    if not isinstance(value, dict):
        return value
    bytes_in = packed_in(value)
    made: JsonObject = {}
    for key, below in value.items():
        if key == "_meta" or (key == "uri" and target and below == target):
            made[key] = None
        elif key in bytes_in and isinstance(below, str):
            made[key] = _unpacked(below, value.get("mimeType"))
        else:
            made[key] = _blocks(below, target) if key in _NESTED else below
    return made


def _unpacked(blob: str, media: Json) -> Json:
    found = texts(blob, media)
    if not found:
        return None
    return found[0] if len(found) == 1 else list[Json](found)


def restored(left: Json, seen: Json, whole: Json) -> Json:
    """`left`, what redaction made of `seen`, with what `readable` left out of `whole`.

    Raises ScanError for base64 that can be read as more than one text: no base64 is all of them.
    """
    if seen is None or seen is left:
        return whole
    if isinstance(whole, str):
        return _packed(left, seen, whole)
    if isinstance(left, dict) and isinstance(seen, dict) and isinstance(whole, dict):
        rows = zip(left.items(), seen.values(), whole.values(), strict=True)
        return {key: restored(value, was, all_of) for (key, value), was, all_of in rows}
    if isinstance(left, list) and isinstance(seen, list) and isinstance(whole, list):
        return [restored(*each) for each in zip(left, seen, whole, strict=True)]
    return left


def _packed(left: Json, seen: Json, whole: str) -> Json:
    """What is left of a text, as base64 where it came as that."""
    if seen == left:
        return whole
    if not isinstance(left, str):
        raise ScanError("what was found cannot be taken out")
    return left if seen is whole else packed(left)


def redacted(value: Json, detectors: tuple[Detector, ...]) -> tuple[Json, tuple[Hit, ...]]:
    """`value` with a placeholder for all that `detectors` find in it, and what that was.

    A text that was JSON is JSON again: a program reads it. Nothing that is left is found again.
    Raises ScanError.
    """
    hits = find(value, detectors)
    if not hits:
        return value, hits
    left = _whole_texts(value, redact(value, hits), detectors)
    if find(left, detectors):  # what JSON made necessary brought two halves together
        raise ScanError("what was found cannot be taken out")
    return left, hits


def _whole_texts(was: Json, left: Json, detectors: tuple[Detector, ...]) -> Json:
    """`left` with JSON for each text that was JSON in `was`."""
    if isinstance(was, str) and isinstance(left, str):
        broken = left != was and _is_json(was) and not _is_json(left)
        return _json_text(was, detectors) if broken else left
    if isinstance(was, dict) and isinstance(left, dict):
        rows = zip(left.items(), was.values(), strict=True)
        return {key: _whole_texts(before, now, detectors) for (key, now), before in rows}
    if isinstance(was, list) and isinstance(left, list):
        return [_whole_texts(*each, detectors) for each in zip(was, left, strict=True)]
    return left


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _json_text(text: str, detectors: tuple[Detector, ...]) -> str:
    """The JSON `text`, written anew from its redacted value; a placeholder if that will not do."""
    value = orjson.loads(text)
    option = orjson.OPT_INDENT_2 if "\n" in text else 0
    made = orjson.dumps(redact(value, find(value, detectors)), option=option).decode()
    return orjson.dumps(placeholder("text")).decode() if find(made, detectors) else made


# notes


def annotated(method: str, body: JsonObject, note: str) -> JsonObject | None:
    """`body` of a result of `method` with `note`.

    `body` itself where no model reads blocks; None where what stands in their place is not as the
    protocol has it, so that nobody can tell what a client makes of it.
    """
    place = _PLACES.get(method)
    return place(body, note) if place is not None else body


def annotated_error(body: JsonObject, note: str) -> JsonObject:
    """A JSON-RPC error with `note` before its message."""
    return {**body, "message": f"{note} {body.get('message', '')}"}


def _called(body: JsonObject, note: str) -> JsonObject | None:
    given = body.get("content")
    block: JsonObject = {"type": "text", "text": note}
    if not isinstance(given, list):
        return {**body, "content": [block]} if given is None else None
    programs = "structuredContent" in body or (bool(given) and _is_data(given[0]))
    return {**body, "content": [*given, block] if programs else [block, *given]}


def _is_data(block: Json) -> bool:
    text = block.get("text") if isinstance(block, dict) else None
    return isinstance(text, str) and _is_json(text)


def _prompted(body: JsonObject, note: str) -> JsonObject | None:
    given = body.get("messages")
    if given is None:
        return body
    said: JsonObject = {"role": "user", "content": {"type": "text", "text": note}}
    return {**body, "messages": [said, *given]} if isinstance(given, list) else None


def _read(body: JsonObject, note: str) -> JsonObject | None:
    """The note has the URI of what it is about: a client sorts contents by it."""
    given = body.get("contents")
    if given is None or given == []:
        return body
    first = given[0] if isinstance(given, list) and given else None
    uri = first.get("uri") if isinstance(first, dict) else None
    if not isinstance(given, list) or not isinstance(uri, str):
        return None
    return {**body, "contents": [*given, {"uri": uri, "mimeType": "text/plain", "text": note}]}


_PLACES: Final[dict[str, Callable[[JsonObject, str], JsonObject | None]]] = {
    "tools/call": _called,
    "prompts/get": _prompted,
    "resources/read": _read,
}


# as bytes


def only_text(body: JsonObject) -> bytes | None:
    """The text of the usual result, which holds one and nothing else; None of any other."""
    content = body.get("content")
    if type(content) is not list or len(content) != 1:
        return None
    if len(body) != 1 and (len(body) != _MARKED or body.get("isError") is not False):
        return None
    block = content[0]
    if type(block) is not dict or len(block) != _PLAIN or block.get("type") != "text":
        return None
    text = block.get("text")
    try:
        return text.encode() if type(text) is str else None
    except UnicodeEncodeError:  # half a surrogate pair
        return None


_PLAIN = 2
"""Members of a block of text: its type and its text."""

_MARKED = 2
"""Members of a result that says that it is none of an error."""


def encoded(value: JsonObject) -> tuple[int, bytes | None]:
    """Bytes of `value` in JSON, and that JSON with its texts as they are: each stands in it whole.

    None for what has texts that JSON writes otherwise, or no other program reads.
    """
    try:
        raw = orjson.dumps(value)
    except TypeError:
        return len(repr(value)), None
    size = len(raw)
    if b"\\" not in raw:
        return size, raw
    if b"\\\\" in raw or b"\\u" in raw:
        return size, None
    for escaped, plain in _ESCAPES:
        raw = raw.replace(escaped, plain)
    return size, raw


_ESCAPES: Final = tuple(
    (b"\\" + letter, plain)
    for letter, plain in zip(
        (b"n", b'"', b"t", b"r", b"b", b"f"), (b"\n", b'"', b"\t", b"\r", b"\b", b"\f"), strict=True
    )
)
"""What JSON writes of texts without backslashes and rarer control characters (RFC 8259, 7)."""


def quiet_of(
    detectors: tuple[Detector, ...],
    more: Callable[[], tuple[tuple[str, ...], ...]],
    dull: Callable[[bytes], bool],
) -> Callable[[bytes], bool]:
    """Whether nothing can be found in the texts of a message, given as `encoded` has them.

    Whatever a needle matches in a text it matches among others, and more. `more`: other needles,
    in groups as `none_of` wants them; `dull` says of what words these say nothing.
    """
    own = [needle for each in detectors for needle in each.needles]
    first, *others = more() or ((),)
    return none_of([[*own, *first, *_PACKED], *others], dull)


_PACKED: Final = ('"blob"', *(f'"type":"{each}"' for each in sorted(PICTURES)))
"""What may hold a text in base64."""
