"""International bank account numbers: the country's length and the two check digits."""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.needles import matches
from mcpguard.scan.sites import Detector, Site, Span

__all__ = ["DETECTOR"]

_START = r"[A-Za-z]{2}[0-9]{2}[ \-\x{00A0}\x{202F}]?[A-Za-z0-9]{4}"
_GAPS = frozenset(" -\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}")

_CLOSED = dict.fromkeys(map(ord, _GAPS))

_COUNTRIES = """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18
    DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23
    IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27
    MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19
    SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
_LENGTHS = {each[:2]: int(each[2:]) for each in _COUNTRIES.split()}
"""Country -> characters (SWIFT IBAN registry)."""

_HEAD = rf"(?i)\b(?:{'|'.join(_LENGTHS)})[0-9]{{2}}"


_VALUES = {each: str(int(each, 36)) for each in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def _spans(text: str, site: Site) -> Iterator[Span]:
    done = 0
    for start, *_ in matches(_HEAD, text, site.meter):
        if start < done:
            continue
        length = _LENGTHS[text[start : start + 2].upper()]
        plain = text[start : start + 2 * length].translate(_CLOSED)[:length].upper()
        end = _end(text, start, length) if _checked(plain) else None
        if end is not None:
            done = end
            yield Span(start, end, "iban")


def _end(text: str, start: int, length: int) -> int | None:
    """Where `length` letters and digits, with single gaps between, are complete."""
    window = text[start : start + 2 * length]
    seen, gap = 0, True
    for at, letter in enumerate(window):
        if letter in _GAPS and not gap:
            gap = True
            continue
        if not (letter.isascii() and letter.isalnum()):
            return None
        seen, gap = seen + 1, False
        if seen == length:
            return None if window[at + 1 : at + 2].isalnum() else start + at + 1
    return None


def _checked(plain: str) -> bool:
    """ISO 7064 MOD 97-10: the account and bank first, then country and check digits."""
    if not (plain.isascii() and plain.isalnum()):
        return False
    return int("".join(map(_VALUES.__getitem__, plain[4:] + plain[:4]))) % 97 == 1


DETECTOR = Detector(
    id="iban",
    finds="a bank account number (IBAN)",
    severity=Severity.CRITICAL,
    reference="MCP10:2025",
    needles=(_START,),
    spans=_spans,
)
