"""A planted credential in whatever form it leaves: as it is, encoded, or with something in between.

What is looked for is a part of the credential that is random, so that nothing honest holds it. Its
forms: any letter case; a character, or a few, written as percent, hex, Unicode or HTML escape;
invisible characters, blanks or hyphens between; hexadecimal digits; base64 with any alignment and
either alphabet; backwards. Encoded twice, encrypted or cut in half, it is not found.
"""

import base64
from collections.abc import Iterable, Iterator
from functools import lru_cache

from mcpguard.model import Severity
from mcpguard.scan.needles import matches
from mcpguard.scan.sites import Detector, Site, Span

__all__ = ["SHORTEST", "detector", "forms"]

SHORTEST = 12
"""Characters of a fragment: 60 bits and more, so none comes by chance."""

_BETWEEN = (
    r"[\s\-_.,:;'\"+\\\x{00AD}\x{034F}\x{061C}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}"
    r"\x{2060}-\x{206F}\x{FE00}-\x{FE0F}\x{FEFF}\x{E0000}-\x{E007F}]"
)
_HEX_BETWEEN = r"(?:[\s:,\-]|\\x|0x|%)?"
_BREAK = r"\s?"

_MASKED = str.maketrans({"+": "[+\\-]", "-": "[+\\-]", "/": "[/_]", "_": "[/_]"})


def forms(fragment: str) -> tuple[str, ...]:
    """RE2 patterns of the forms of `fragment` (ASCII letters and digits), without anchors."""
    escaped = [_letter(letter) for letter in fragment]
    backwards = "".join(reversed(fragment))
    hexed = fragment.encode().hex()
    pairs = [hexed[at : at + 2] for at in range(0, len(hexed), 2)]
    return (
        "(?i)" + f"{_BETWEEN}*".join(escaped),
        "(?i)" + backwards,
        "(?i)" + _HEX_BETWEEN.join(pairs),
        *(_BREAK.join(each.translate(_MASKED) for each in text) for text in _base64(fragment)),
    )


def _letter(letter: str) -> str:
    """One character as it is, and as common escapes write it."""
    code = ord(letter)
    others = {letter.lower(), letter.upper()}
    hexes = "|".join(sorted(f"{ord(each):02x}" for each in others))
    numbers = "|".join(sorted(str(ord(each)) for each in others))
    wide = f"\\x{{{code + 0xFEE0:x}}}"
    return (
        f"(?:{letter}|{wide}|%(?:25)?(?:{hexes})|\\\\+x(?:{hexes})|\\\\+u00(?:{hexes})"
        f"|&#x0*(?:{hexes});|&#0*(?:{numbers});)"
    )


def _base64(fragment: str) -> Iterator[str]:
    """What of its base64 does not depend on what stands around it, for each of the alignments."""
    raw = fragment.encode()
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        first = (0, 2, 3)[before]
        whole = (before + len(raw)) * 8 // 6  # the last digit that holds bits of the fragment alone
        yield text[first:whole]


def detector(fragments: Iterable[str]) -> Detector | None:
    """Finds every form of every fragment; None when there is none."""
    patterns = tuple(form for each in fragments for form in _forms(each))
    if not patterns:
        return None

    def spans(text: str, site: Site) -> Iterator[Span]:
        for pattern in patterns:
            for start, end, *_ in matches(pattern, text, site.meter):
                yield Span(start, end, "secret")

    return Detector(
        id="canary",
        finds="a credential",
        severity=Severity.CRITICAL,
        reference="MCP01:2025",
        needles=patterns,
        spans=spans,
    )


@lru_cache(maxsize=256)
def _forms(fragment: str) -> tuple[str, ...]:
    return forms(fragment)
