"""ArcSight's CEF and QRadar's LEEF 2.0: one line, a header between bars, then `key=value`."""

from collections.abc import Mapping
from typing import Final

from mcpguard.siem.formats.event import PRODUCT, VERSION, Event

__all__ = ["cef", "leef"]

MAX_VALUE = 1023
"""Characters of a value. The shortest of CEF's fields takes 1,023; longer ones are cut by readers,
which may cut an escape in two."""

MAX_HOST = 100
"""Characters of CEF's `dvchost`."""

LEEF_DELIMITER: Final = "^"
"""Between attributes. Named in the header; in values it is written %5E."""

_SCALE: Final = {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}
"""Our 1-5 as CEF's 0-10 and LEEF's 1-10."""

_CEF_LABELS: Final = (
    ("cs2", "stage", "stage"),
    ("cs3", "mode", "mode"),
    ("cs4", "argsDigest", "args_digest"),
    ("cs5", "hash", "hash"),
    ("cs6", "session", "session"),
)
"""Key, label, and the record's field. CEF has six texts of one's own; cs1 is
the tool."""


def cef(event: Event) -> bytes:
    r"""CEF:0. In the header `\` and `|` are escaped, behind it `\`, `=` and line ends."""
    rule = event.text("rule") or event.name
    header = (PRODUCT, PRODUCT, VERSION, rule, f"{event.name} {event.fate.word}")
    pairs = [f"{key}={_cef_value(value)}" for key, value in _cef_pairs(event).items() if value]
    begin = "|".join(["CEF:0", *map(_cef_header, header), str(_SCALE[event.severity])])
    return f"{begin}|{' '.join(pairs)}".encode()


def _cef_pairs(event: Event) -> Mapping[str, str]:
    made = {
        "rt": str(event.ms),
        "act": event.fate.word,
        "outcome": event.fate.outcome,
        "externalId": event.uid,
        "suser": event.who,
        "suid": event.text("key"),
        "duser": event.affected,
        "dproc": event.server,
        "deviceProcessName": event.recorder,
        "dvchost": event.host[:MAX_HOST],
        "app": "mcp",
        "request": event.text("method"),
        "reason": event.text("reason"),
        "msg": event.why,
        "cat": "finding" if event.finding else "decision" if event.text("decision") else "event",
        "cn1": str(event.number("seq")),
        "cn1Label": "sequence",
        "cs1": event.target,
        "cs1Label": "tool" if event.target else "",
    }
    for key, label, field in _CEF_LABELS:
        if event.text(field):
            made |= {key: event.text(field), f"{key}Label": label}
    return made | ({"flexString1": " ".join(event.controls)} if event.controls else {})


def _cef_header(text: str) -> str:
    plain = _one_line(text)[:MAX_VALUE]
    return plain.replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(text: str) -> str:
    text = _printable(text)[:MAX_VALUE].replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r", "\\r").replace("\n", "\\n")


def leef(event: Event) -> bytes:
    """LEEF 2.0, one line. The format has no escapes: what would end a value is percent-encoded."""
    rule = event.text("rule") or event.name
    header = ("LEEF:2.0", PRODUCT, PRODUCT, VERSION, _leef_header(rule), LEEF_DELIMITER)
    pairs = [f"{key}={_leef_value(value)}" for key, value in _leef_pairs(event).items() if value]
    return f"{'|'.join(header)}|{LEEF_DELIMITER.join(pairs)}".encode()


def _leef_pairs(event: Event) -> Mapping[str, str]:
    return {
        "devTime": str(event.ms),
        "cat": event.name,
        "sev": str(_SCALE[event.severity]),
        "usrName": event.who,
        "approverKey": event.text("key"),
        "caller": event.affected,
        "identHostName": event.host,
        "resource": event.server,
        "recorder": event.recorder,
        "action": event.fate.word,
        "outcome": event.fate.outcome,
        "method": event.text("method"),
        "tool": event.target,
        "stage": event.text("stage"),
        "reason": event.text("reason"),
        "msg": event.why,
        "mode": event.text("mode"),
        "argsDigest": event.text("args_digest"),
        "session": event.text("session"),
        "sequence": str(event.number("seq")),
        "hash": event.text("hash"),
        "eventId": event.uid,
        "controls": " ".join(event.controls),
    }


def _leef_header(text: str) -> str:
    return _leef_value(text).replace("|", "%7C")


def _leef_value(text: str) -> str:
    text = _printable(text)[:MAX_VALUE].replace("%", "%25").replace(LEEF_DELIMITER, "%5E")
    return text.replace("\r", "%0D").replace("\n", "%0A")


def _printable(text: str) -> str:
    """Control characters, line separators among them, become U+FFFD; line ends are kept."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\r\n" else "\ufffd" for each in text)


def _one_line(text: str) -> str:
    return _printable(text).replace("\r", " ").replace("\n", " ")
