"""Payment card numbers: an issuer's prefix and length, and the Luhn check digit."""

from collections.abc import Iterator
from functools import lru_cache

from mcpguard.model import Severity
from mcpguard.scan.digits import DIGIT, GAP, ascii_digits
from mcpguard.scan.needles import Meter, matches
from mcpguard.scan.sites import Detector, Site, Span

__all__ = ["DETECTOR", "luhn"]

_NEEDLE = rf"{DIGIT}{{4}}{GAP}?{DIGIT}{{4}}{DIGIT}?{DIGIT}?{GAP}?{DIGIT}{{4}}"
_RUN = rf"{DIGIT}(?:{GAP}?{DIGIT}){{13}}(?:{GAP}?{DIGIT})*"

_SHAPES = ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (6, 4, 4, 4), (8, 8))
"""How the digits of one number are grouped in writing; ungrouped ones are one group."""

_ISSUERS = (
    ("4", "4", (16, 19)),  # Visa; 13 digits are long gone, and what begins so is a bar code
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),  # Mastercard
    ("34", "34", (15,)),
    ("37", "37", (15,)),  # American Express
    ("6011", "6011", (16, 19)),
    ("644", "649", (16, 19)),
    ("65", "65", (16, 19)),  # Discover
    ("3528", "3589", (16, 19)),  # JCB
    ("300", "305", (14,)),
    ("36", "36", (14,)),
    ("38", "39", (14,)),  # Diners Club
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("2200", "2204", (16,)),  # Mir
)
"""First and last prefix, and lengths in digits (ISO/IEC 7812 as the schemes publish them)."""


@lru_cache(maxsize=10_000)
def _lengths(prefix: str) -> tuple[int, ...]:
    """How long numbers are whose first four digits are `prefix`."""
    for first, last, lengths in _ISSUERS:
        if first <= prefix[: len(first)] <= last:
            return lengths
    return ()


def _spans(text: str, site: Site) -> Iterator[Span]:
    for start, end, *_ in matches(_RUN, text, site.meter):
        run = ascii_digits(text[start:end])
        if _in_word(text[max(0, start - 1) : start]):  # its first digits belong to a word
            skipped = run.find(" ") + 1
            run, start = run[skipped:] if skipped else "", start + skipped  # noqa: PLW2901
        if _in_word(text[end : end + 1]):
            run = run[: max(0, run.rfind(" "))]
        yield from _in_run(run, start, site.meter)


def _in_word(around: str) -> bool:
    return around.isalpha() or around == "_"


def _in_run(run: str, offset: int, meter: Meter) -> Iterator[Span]:
    """Numbers in groups of digits, each separated by one character."""
    groups = run.split(" ")
    sizes = tuple(map(len, groups))
    at = 0
    for first, group in enumerate(groups):
        lengths = _lengths(group[:4])
        count = _grouped(sizes, first, lengths) if lengths else 0
        if count:
            meter.spend()
        if count and luhn("".join(groups[first : first + count])):
            end = at + sum(sizes[first : first + count]) + count - 1
            yield Span(offset + at, offset + end, "card")
        at += len(group) + 1


def _grouped(sizes: tuple[int, ...], first: int, lengths: tuple[int, ...]) -> int:
    """How many groups from `first` have the shape of one number of one of `lengths`."""
    if sizes[first] in lengths:
        return 1
    for shape in _SHAPES:
        if sizes[first : first + len(shape)] == shape and sum(shape) in lengths:
            return len(shape)
    return 0


_DOUBLED = bytes(
    (2 * (each - 48) - (9 if each > 52 else 0)) if 48 <= each <= 57 else 0  # noqa: PLR2004 - "0", "4", "9"
    for each in range(256)
)


def luhn(digits: str) -> bool:
    """Whether the last of `digits` (0-9) is the check digit of the others (ISO/IEC 7812-1)."""
    raw = digits.encode()[::-1]
    plain = raw[::2]
    return (sum(plain) - 48 * len(plain) + sum(raw[1::2].translate(_DOUBLED))) % 10 == 0


DETECTOR = Detector(
    id="card",
    finds="a payment card number",
    severity=Severity.CRITICAL,
    reference="MCP10:2025",
    needles=(_NEEDLE,),
    spans=_spans,
)
