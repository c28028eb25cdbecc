"""Credentials, told by their structure: fifteen types, each with a check of its own."""

import base64
import binascii
import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from mcpguard.model import Severity
from mcpguard.scan.needles import Needles, matches
from mcpguard.scan.sites import Detector, Site, Span

__all__ = ["DETECTOR", "TYPES"]


class _Type(NamedTuple):
    """`pattern` (RE2): its last group, or all of it, is the credential that `holds` checks."""

    pattern: str
    holds: Callable[[str, str], bool]


def _random(text: str, _: str = "") -> bool:
    """Whether it is no word, name or example: letters and digits, evenly enough mixed."""
    digits = sum(map(str.isdigit, text))
    return digits >= 2 and digits < len(text) and _bits(text) >= 3.0 and not _example(text)  # noqa: PLR2004


def _bits(text: str) -> float:
    """Shannon entropy, bits a character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text[:256]).values())


def _example(text: str) -> bool:
    lower = text.lower()
    return any(
        word in lower for word in ("example", "placeholder", "your", "xxxx", "1234567890abc")
    )


def _long(length: int) -> Callable[[str, str], bool]:
    return lambda text, _: len(text) >= length and _random(text)


def _exactly(length: int) -> Callable[[str, str], bool]:
    return lambda text, _: len(text) == length and _random(text)


def _mixed(text: str, _: str) -> bool:
    """A key's tail, not words between hyphens: upper and lower case and digits."""
    return _random(text) and text.lower() != text and text.upper() != text


def _sas(text: str, whole: str) -> bool:
    return "sv=" in whole and ("se=" in whole or "sp=" in whole) and _bits(text) >= 3.0  # noqa: PLR2004


def _basic(text: str, _: str) -> bool:
    """RFC 7617: base64 of `user:password`."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    user, colon, password = plain.partition(":")
    return bool(user and colon and password) and plain.isprintable()


def _jwt(text: str, _: str) -> bool:
    """RFC 7515: the header is base64url of a JSON object that names its algorithm."""
    head = text.partition(".")[0]
    try:
        plain = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except binascii.Error:
        return False
    return plain.startswith(b"{") and b'"alg"' in plain


def _pem(text: str, _: str) -> bool:
    body = text.partition("KEY")[2]
    return sum(map(str.isalnum, body)) >= 64  # noqa: PLR2004 - an Ed25519 key has 64


def _password(text: str, _: str) -> bool:
    """Not a variable, not a blank to fill in, not the word itself."""
    if set(text) & set("$<>{}[]()%*|`") or _example(text) or len(set(text)) < 4:  # noqa: PLR2004
        return False
    return text.lower() not in _STAND_INS


_STAND_IN_WORDS = (
    "changeme change_me hunter2 guest pass passwd password postgres pwd root secret test user none"
    " null true false string redacted admin"
)
_STAND_INS = frozenset(_STAND_IN_WORDS.split())


def _ado(text: str, whole: str) -> bool:
    lower = whole.lower()
    sided = any(word in lower for word in ("server=", "data source=", "host=", "database="))
    return sided and _password(text, whole)


def _connection(text: str, whole: str) -> bool:
    return _password(text, whole)


def _generic(text: str, _: str) -> bool:
    return len(text) >= 16 and _random(text)  # noqa: PLR2004 - shorter ones are words


def _any(text: str, _: str) -> bool:
    return not _example(text)


_B64 = "[A-Za-z0-9+/]"
_KEYWORDS = (
    r"api[_-]?key|apikey|api[_-]?token|secret[_-]?key|client[_-]?secret|access[_-]?token"
    r"|auth[_-]?token|refresh[_-]?token|bot[_-]?token|private[_-]?key|password|passwd|pwd|secret"
    r"|token"
)

TYPES: dict[str, _Type] = {
    "openai-key": _Type(r"\bsk-[A-Za-z0-9_\-]{20}[A-Za-z0-9_\-]*", _mixed),
    "github-token": _Type(
        r"\b(?:gh[pousr]_|github_pat_)([A-Za-z0-9_]{20}[A-Za-z0-9_]*)", _long(30)
    ),
    "aws-key-id": _Type(r"\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}\b", _any),
    "aws-secret": _Type(
        r"(?i)(?:secret_?access_?key|aws_?secret[a-z_]*)[\"']?\s*[:=]\s*[\"']?"
        rf"({_B64}{{20}}{_B64}+)",
        _exactly(40),
    ),
    "azure-key": _Type(rf"(?i)\b(?:AccountKey|SharedAccessKey)=({_B64}{{20}}{_B64}+=*)", _long(40)),
    "azure-sas": _Type(r"(?i)[?&;]sig=([A-Za-z0-9%+/]{20}[A-Za-z0-9%+/]*=*)", _sas),
    "bearer-token": _Type(r"(?i)\bbearer\s+([A-Za-z0-9\-._~+/]{16}[A-Za-z0-9\-._~+/]*=*)", _random),
    "private-key": _Type(
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\s*(?:Proc-Type|DEK-Info|Version|Comment): [^\n]*\n)*"
        r"[A-Za-z0-9+/=\s\\]+(?:-----END [A-Z0-9 ]+-----)?",
        _pem,
    ),
    "connection-string": _Type(
        r"\b[a-z][a-z0-9+.\-]*://[^\s:/@\"'?#]*:([^\s@/\"']+)@[A-Za-z0-9\[]", _connection
    ),
    "connection-password": _Type(r"(?i)\b(?:password|pwd)=([^;,\s\"']{6}[^;,\s\"']*)", _ado),
    "basic-credentials": _Type(r"(?i)\bbasic\s+([A-Za-z0-9+/]{8}[A-Za-z0-9+/]*=*)", _basic),
    "jwt": _Type(
        r"\beyJ[A-Za-z0-9_\-]{8}[A-Za-z0-9_\-]*\.eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*", _jwt
    ),
    "slack-token": _Type(
        r"\b(?:xox[abeoprs]-|xapp-|hooks\.slack\.com/services/)([A-Za-z0-9/\-]{10}[A-Za-z0-9/\-]*)",
        _random,
    ),
    "google-key": _Type(r"\b(?:AIza|ya29\.|GOCSPX-)([A-Za-z0-9_\-]{20}[A-Za-z0-9_\-]*)", _long(24)),
    "stripe-key": _Type(
        r"\b(?:sk_live_|rk_live_|sk_test_|rk_test_|whsec_)([A-Za-z0-9]{16}[A-Za-z0-9]*)", _random
    ),
    "secret": _Type(
        rf"(?i)(?:\b|_)(?:{_KEYWORDS})[\"']?\s*(?::|=|:=|=>)\s*[\"']?([A-Za-z0-9_\-+/=!@#^&~]{{8}}[A-Za-z0-9_\-+/=!@#^&~]*)",
        _generic,
    ),
}
"""Placeholder type -> what it looks like. A connection string has two spellings.

`holds` gets the credential and up to `NEAR` characters on either side, so that the whole stays
linear.
"""

NEAR = 200
"""Characters on either side of a credential that say what it belongs to."""

_NAMES = list(TYPES)

_NAMED = (
    "accesstoken apikey apitoken authtoken bottoken clientsecret passphrase passwd password"
    " privatekey refreshtoken secretaccesskey secretkey"
)
_NAME_NEEDLE = (
    r"(?i)pass-?_?(?:word|wd|phrase)"
    r"|(?:api|access|auth|bot|client|private|refresh|secret)[_\- ]?(?:access|key|secret|token)"
)
_SECRET_NAMES = frozenset(_NAMED.split())
"""Property names whose value is a credential, whatever it looks like."""


@cache
def _needles() -> Needles:
    return Needles([TYPES[name].pattern for name in _NAMES], open_ended=True)


def _spans(text: str, site: Site) -> Iterator[Span]:
    for number in _needles().within(text):
        kind = _NAMES[number]
        pattern, holds = TYPES[kind]
        for start, _, inner, end in matches(pattern, text, site.meter):
            around = text[max(0, start - NEAR) : end + NEAR]
            if holds(text[inner:end], around) and not (kind == "secret" and _place(text, start)):
                yield Span(start if kind in _WHOLE else inner, end, kind)
    if _is_named(site.name) and _password(text, ""):
        yield Span(0, len(text), "secret")


def _is_named(name: str) -> bool:
    return "".join(filter(str.isalpha, name.lower())) in _SECRET_NAMES


_WHOLE = frozenset({"github-token", "google-key", "slack-token", "stripe-key"})
"""Types whose prefix is part of the credential, though only the rest is checked."""


def _place(text: str, start: int) -> bool:
    """`page_token=...` and its like: a place in a list, not a credential."""
    before = text[max(0, start - 16) : start].lower()
    return before.endswith(_PLACES) or before.rstrip("_-").endswith(_PLACES)


_PLACES = ("page", "next", "sync", "continuation", "csrf", "xsrf", "cursor", "prev", "idempotency")

DETECTOR = Detector(
    id="secrets",
    finds="a credential",
    severity=Severity.CRITICAL,
    reference="MCP01:2025",
    needles=(*(each.pattern for each in TYPES.values()), _NAME_NEEDLE),
    spans=_spans,
)
