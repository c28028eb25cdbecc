"""RFC 5424: the header, structured data, and the record or another format as its message."""

from typing import Final

import orjson

from mcpguard.siem.formats.event import PRODUCT, Event

__all__ = ["framed", "syslog"]

FACILITY: Final = 13
"""log audit (RFC 5424 section 6.2.1)."""

_LEVEL: Final = {1: 6, 2: 5, 3: 4, 4: 3, 5: 2}
"""Our 1-5 as syslog's severity: informational 6 to critical 2."""

SD_ID: Final = "mcpguard@32473"
"""Name of the structured data. 32473 is the enterprise number that RFC 5612 keeps for documents:
the project has none of its own."""

_FIELDS: Final = (
    "server", "principal", "method", "target", "decision", "stage", "rule", "reason", "mode",
    "event", "by", "key", "why", "kind", "name", "caller", "args_digest", "hash",
)  # fmt: skip

MAX_HOST, MAX_MSGID = 255, 32
"""Characters (RFC 5424 section 6)."""

MAX_PARAM = 512
"""Characters of a value: no field of ours is longer that is not free text."""


def syslog(event: Event) -> bytes:
    """The frame with structured data; its message is the record as JSON."""
    return framed(event, orjson.dumps(event.record), data=_data(event))


def framed(event: Event, message: bytes, *, data: str = "-") -> bytes:
    """`message` in a frame, without a byte order mark: readers that look for JSON trip over it.

    RFC 5424 section 6 lets a message that is not said to be UTF-8 go without.
    """
    head = (
        f"<{FACILITY * 8 + _LEVEL[event.severity]}>1",
        event.stamp.replace("+00:00", "Z"),
        _word(event.host, MAX_HOST),
        PRODUCT,
        "-",
        _word(event.name, MAX_MSGID),
        data,
    )
    return " ".join(head).encode() + b" " + message


def _data(event: Event) -> str:
    pairs = {"uid": event.uid, "seq": str(event.number("seq"))}
    pairs |= {key: event.text(key) for key in _FIELDS}
    told = [f'{key}="{_value(value)}"' for key, value in pairs.items() if value]
    return f"[{SD_ID} {' '.join(told)}]"


def _value(text: str) -> str:
    r"""Section 6.3.3: `"`, `\` and `]` are escaped; what would end a line is U+FFFD."""
    plain = "".join(each if each.isprintable() else "\ufffd" for each in text[:MAX_PARAM])
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _word(text: str, most: int) -> str:
    """A field of the header: printable US-ASCII without space (section 6)."""
    kept = "".join(each if "!" <= each <= "~" else "_" for each in text[:most])
    return kept or "-"
