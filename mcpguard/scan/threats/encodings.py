"""Texts that are written so that a model can read them and a pattern cannot.

Base64, hex, percent, escapes and entities are read by `threats.text`, missing and odd blanks by
`spacing`, numbers by `digits`; here are the others: base32, base85, Morse, ROT13, digits for
letters, letters in reverse and upside down.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate, chain, islice, product
from string import ascii_lowercase
from struct import error, pack
from typing import NamedTuple

from mcpguard.scan.needles import Needles, compiled, told
from mcpguard.scan.threats.digits import NUMBERS, sentence_like
from mcpguard.scan.threats.escapes import TOKENS, first_text
from mcpguard.scan.threats.spacing import SPACINGS, TAGGED, Form, bare, joined
from mcpguard.scan.threats.text import Hidden, Normal, normalise

__all__ = [
    "ESCAPED_TWICE",
    "KEYWORD_FORMS",
    "LEVELS",
    "LINES",
    "MORSE",
    "NUMERIC",
    "ROOM",
    "SLACK",
    "Decoded",
    "Part",
    "again",
    "decoded",
    "may_hold",
    "respelt",
    "undone",
]

ESCAPED_TWICE = "escapes of escapes"
"""The form of what is escaped twice."""

LEVELS = 1
"""Levels of encoding within what is found here that are looked through."""

ROOM = 3
"""Times a text, how much of what is found in it is looked through for more."""

SLACK = 16 * 1024
"""Characters that are looked through in any case."""

SHORTEST = 12
"""Characters. No order is shorter."""

_KEYWORDS = (
    *("ignore", "disregard", "forget", "override", "previous", "instructions", "instruction"),
    *("prompt", "system", "password", "assistant", "reveal", "developer", "exfiltrate"),
    *("credentials", "forward", "execute"),
)
"""English words of orders to a model, looked for in ROT13, in reverse and with digits."""

_LEET = {"o": "0", "i": "1", "e": "3", "a": "4", "s": "5", "t": "7"}
_PLAIN = str.maketrans({digit: letter for letter, digit in _LEET.items()} | {"@": "a", "$": "s"})
_ROT = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "nopqrstuvwxyzabcdefghijklmNOPQRSTUVWXYZABCDEFGHIJKLM",
)


class Part(NamedTuple):
    """What `start` to `end` of a text hold."""

    start: int
    end: int
    says: str


class Decoded(NamedTuple):
    """What the `parts` of a text that are in this `form` hold, in order."""

    form: str
    parts: tuple[Part, ...]

    @property
    def says(self) -> str:
        """All of it, part by part: what is told in pieces is put together by who reads it."""
        return "\n".join(part.says for part in self.parts)


def _disguised(word: str) -> Iterator[str]:
    """Every spelling of `word` with digits for some of its letters."""
    choices = [(letter, _LEET[letter]) if letter in _LEET else (letter,) for letter in word]
    yield from ("".join(each) for each in product(*choices) if "".join(each) != word)


def _words(forms: Iterator[str]) -> str:
    return rf"(?i)\b(?:{'|'.join(forms)})\b"


@cache
def _whole() -> tuple[Form, ...]:
    """Name, what shows it, and the way back, of what is done to a text as a whole."""
    return (
        ("rot13", _words(each.translate(_ROT) for each in _KEYWORDS), _rotated),
        ("reversed", _words(each[::-1] for each in _KEYWORDS), _reversed),
        ("digits", _words(form for each in _KEYWORDS for form in _disguised(each)), _spelt),
        ("joined words", _JOINED, _parted),
        ("spread letters", rf"(?i)\b(?:{'|'.join(map(_spread, _SPREAD))})", _gathered),
        ("tags within words", TAGGED, bare),
    )


_JOINED = (
    r"(?i)\b(?:ignore|disregard|forget|override)[-_/.](?:all|any|the|your|every|everything|previous"
    r"|prior|above|earlier|system)[-_/.]"
)
_SPREAD = ("ignore", "disregard", "forget", "override", "previous", "instruction", "password")


def _spread(word: str) -> str:
    return "[ ._*-]".join(word)


def _parted(text: str) -> str:
    return text.translate(str.maketrans("-_/.", "    "))


def _gathered(text: str) -> str:
    """Letters with one mark between each as words; what parts the words is wider."""
    for gap in ("   ", ". .", "- -", "_ _", "* *"):
        text = text.replace(gap, "\x00")
    return text.translate(_TOGETHER)


_TOGETHER: dict[int, str | None] = {**dict.fromkeys(map(ord, " ._*-")), 0: " "}


def _rotated(text: str) -> str:
    return text.translate(_ROT)


def _reversed(text: str) -> str:
    return text[::-1]


def _spelt(text: str) -> str:
    return text.translate(_PLAIN)


def _base32(run: str) -> Iterator[bytes]:
    for part in _begun(run.rstrip("=").translate(_FIVE_BITS), 8, 5):
        size = len(part) * 5 // 8
        yield (int(part, 32) >> len(part) * 5 % 8).to_bytes(size)


_FIVE_BITS = dict.fromkeys(range(0x80), "=") | str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv"
)
"""RFC 4648, 6 as the digits of Python: `base64` takes twenty times as long, and there are eight
places to begin."""


def _begun(run: str, places: int, bits: int) -> Iterator[str]:
    """`run`, and what begins later in it: its first letters may be no part of what it holds.

    Each character holds at most so many `bits`. What is too short for an order is left out.
    """
    last = len(run) - (SHORTEST * 8 - 1) // bits
    return (run[at:] for at in range(min(places, last)))


def _ascii85(run: str) -> Iterator[bytes]:
    yield base64.a85decode(run[2:-2])


def _base85(run: str) -> Iterator[bytes]:
    """From each of five places, at once: `base64` takes three times as long for a short run."""
    varied, size = len(_RARE.intersection(run)), len(run)
    if size < _LONG or varied < _VARIED:
        return
    digits = (run + "~~~~").encode().translate(_EIGHTY_FIVE)
    fives = [
        a * 85**4 + b * 85**3 + c * 85**2 + d * 85 + e
        for a, b, c, d, e in zip(*(digits[at : size + at] for at in range(5)), strict=True)
    ]
    for start in range(5 if varied > 2 * _VARIED else 1):
        groups = fives[start::5]
        try:
            yield pack(f">{len(groups)}I", *groups)[: (size - start) * 4 // 5]
        except error:
            continue  # five digits of it are more than four bytes: it begins elsewhere


_EIGHTY_FIVE = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
    bytes(range(85)),
)
"""RFC 1924."""


def _morse(run: str) -> Iterator[bytes]:
    words = run.replace("|", "/").replace("   ", "/").split("/")
    yield " ".join(
        "".join(_MORSE.get(each, "") for each in word.split()) for word in words
    ).encode()


_MORSE = dict(
    zip(
        (
            *(".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-.."),
            *("--", "-.", "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-"),
            *("-.--", "--.."),
        ),
        ascii_lowercase,
        strict=True,
    )
)
"""ITU-R M.1677-1."""


def _turned(run: str) -> Iterator[bytes]:
    yield run.translate(_TURNED)[::-1].encode()


_TURNED = str.maketrans("ɐɔǝɟƃɓɥᴉ\u0131ɾʞ\u026fɹʇʌʍʎbqdpnu", "acefgghiijkmrtvwyqbpdun")


_BREAK = r"(?:\r?\n|(?:\\r)?\\n)"
"""The end of a line, also as JSON has it."""

LINES = rf"(?:[A-Za-z0-9+/]{{8,19}}=*{_BREAK}){{3}}"
"""Three short lines of nothing but what base64, base32 and hex are written in."""

_LINES = rf"(?:[A-Za-z0-9+/]{{8,19}}=*{_BREAK}[ \t]*){{3,}}[A-Za-z0-9+/]*=*"


def _wrapped(run: str) -> Iterator[bytes]:
    """A run in short lines: hex, base32 or base64, whichever gives text; a word may follow it."""
    lines = run.replace("\\r", "").replace("\\n", " ").split()
    for whole in ("".join(lines), "".join(lines[:-1])):
        for read in (_hex, _base32, _base64):
            try:
                yield from islice(read(whole), 1)
            except ValueError:
                continue  # it is written in another way


def _hex(run: str) -> Iterator[bytes]:
    yield bytes.fromhex(run)


def _base64(run: str) -> Iterator[bytes]:
    bare = run.rstrip("=")
    yield binascii.a2b_base64(bare[: len(bare) - (len(bare) % 4 == 1)] + "==")


_BASE_85 = (
    r"[0-9A-Za-z\-=_]*[!#$%&()*+;<>?@^`{|}~]+[0-9A-Za-z\-=_]+[!#$%&()*+;<>?@^`{|}~]+"
    r"[0-9A-Za-z\-=_]+[!#$%&()*+;<>?@^`{|}~][0-9A-Za-z!#$%&()*+\-;<=>?@^_`{|}~]*"
)
"""A run with three of `_RARE` apart: few words of code match, and each match costs its time."""

MORSE = r"(?:[.-]{1,5} (?:[/|] )?){11}"
"""Eleven letters in Morse."""

_RUNS: tuple[tuple[str, str, Callable[[str], Iterable[bytes]]], ...] = (
    ("base32", r"[A-Z2-7]{16}[A-Z2-7]*=*", _base32),
    ("base85", r"<~[!-u\s]+~>", _ascii85),
    ("short lines", _LINES, _wrapped),
    ("base85", _BASE_85, _base85),
    ("Morse", r"(?:[.-]{1,5}(?: {1,3}| ?[/|] ?)){11,}[.-]{1,5}", _morse),
    ("upside down", r"(?:[ɐɔǝɟƃɓɥᴉıɾʞɯɹʇʌʍʎ][a-z ,.ɐɔǝɟƃɓɥᴉıɾʞɯɹʇʌʍʎ]*){8,}", _turned),
)
"""Name, pattern and decoder of what stands as a run among other text."""


def _saying(read: Callable[[str], Iterable[bytes]]) -> Callable[[str], str]:
    """What a run says by `read`; nothing when it is no text."""

    def says(run: str) -> str:
        try:
            return first_text(read(run))
        except ValueError:
            return ""

    return says


KEYWORD_FORMS = tuple(pattern for _, pattern, _ in _whole())
"""RE2 patterns of keywords in ROT13, in reverse and with digits for letters."""


def respelt(text: str) -> Iterator[Decoded]:
    """What `text`, a reading, says as a whole when letters are turned back."""
    return _turned_back(text, _within(_whole, text))


def decoded(text: str) -> Iterator[Decoded]:
    """What runs of `text`, as it was written, hold: form by form."""
    return _held(text, (*_within(_runs, text), *_within(_spacings, text)))


def undone(readings: Sequence[Normal], levels: int = LEVELS) -> Sequence[Normal]:
    """Each reading with what its text says besides when it is decoded, or its words are parted.

    What is found is read in the same way, so many `levels` deep. The sources have no halves of
    surrogate pairs.
    """
    read = [each.text[each.same() :] for each in readings]
    written = _BETWEEN.join([*(each.source for each in readings), *read])
    runs = (*_within(_runs, written), *_within(_spacings, written))
    whole = _within(_whole, _BETWEEN.join([each.text for each in readings]))
    twice = compiled(TOKENS).search(_BETWEEN.join(read).encode()) is not None
    if not runs and not whole and not twice:
        return readings
    return [_undone(each, runs, whole, levels) for each in readings]


_BETWEEN = "\n\n"
"""Ends what is in lines, too."""


def _undone(normal: Normal, runs: Sequence[Form], whole: Sequence[Form], levels: int) -> Normal:
    said = dict[str, Hidden]()
    for form, start, end, says in _told(normal, runs, whole):
        said.setdefault(says, Hidden(_kind(form, says), start, end, says))
    if not said:
        return normal
    found = [*said.values()]
    first = [*map(normalise, said)]
    looked = _fitting(first, ROOM * len(normal.source) + SLACK) if levels else 0
    further = undone(first[:looked], levels - 1) if looked else []
    return normal.adding(
        chain(
            (each._replace(says=read.text) for each, read in zip(found, first, strict=True)),
            *map(_more, found, first, further),
            (each._replace(kind="overflow", says="") for each in found[looked : looked + levels]),
        )
    )


def _fitting(readings: Iterable[Normal], room: int) -> int:
    """How many of them have no more than so many characters."""
    return bisect_right([*accumulate(len(each.text) for each in readings)], room)


def _more(found: Hidden, first: Normal, further: Normal) -> Iterator[Hidden]:
    """What was `found` in its `first` reading once that is undone; that some of it was not."""
    if further is not first:
        yield found._replace(says=further.text[len(first.text) + 1 :])
    if any(each.kind == "overflow" for each in further.hidden):
        yield found._replace(kind="overflow", says="")


def _told(
    normal: Normal, runs: Sequence[Form], whole: Sequence[Form]
) -> Iterator[tuple[str, int, int, str]]:
    """Form, place in the source and meaning of what `normal` says besides."""
    for each in _held(normal.source, runs):
        for part in each.parts:
            yield each.form, *part
    same = normal.same()
    added = normal.text[same:]
    for each in (*_held(added, runs), *again(added)):
        for part in each.parts:
            yield each.form, *normal.span(same + part.start, same + part.end), part.says
    for each in _turned_back(normal.text, whole):
        yield each.form, *normal.span(0, len(normal.text)), each.says


def again(text: str) -> Iterator[Decoded]:
    """What `text`, a reading, says when it is read once more: what is escaped twice has escapes."""
    if compiled(TOKENS).search(text.encode()):
        says = normalise(text).text
        if says != text:
            yield Decoded(ESCAPED_TWICE, (Part(0, len(text), says),))


def _turned_back(text: str, whole: Iterable[Form]) -> Iterator[Decoded]:
    raw = text.encode()
    for form, pattern, back in whole:
        if compiled(pattern).search(raw):
            yield Decoded(form, (Part(0, len(text), back(text)),))


def _held(text: str, runs: Iterable[Form]) -> Iterator[Decoded]:
    raw = text.encode()
    for form, pattern, read in runs:
        parts = tuple(_parts(raw, pattern, read))
        if parts:
            yield Decoded(form, parts)


def _kind(form: str, says: str) -> str:
    """What is hidden in a form that only a machine reads; nothing is in one that a person reads.

    Numbers that say no sentence are numbers.
    """
    if form in _READABLE or (form in NUMERIC and not sentence_like(says)):
        return ""
    return "encoded"


_READABLE = frozenset({*(form for form, *_ in SPACINGS), "tags within words", ESCAPED_TWICE})

NUMERIC = frozenset(form for form, *_ in NUMBERS)
"""Forms of numbers. Measured values may look like it."""


def _parts(raw: bytes, pattern: str, read: Callable[[str], str]) -> Iterator[Part]:
    at = place = 0
    for match in compiled(pattern).finditer(raw):
        run = match.group().decode()
        says = read(run)
        if len(says) >= SHORTEST:
            place += len(raw[at : match.start()].decode())
            yield Part(place, place + len(run), says)
            at, place = match.end(), place + len(run)


def _runs() -> tuple[Form, ...]:
    return (*NUMBERS, *((form, pattern, _saying(read)) for form, pattern, read in _RUNS))


def _spacings() -> tuple[Form, ...]:
    return SPACINGS


@cache
def _known(forms: Callable[[], tuple[Form, ...]]) -> tuple[tuple[Form, ...], Needles]:
    """Of forms an automaton of their own: together they outgrow what RE2 keeps of one."""
    rows = forms()
    return rows, Needles([pattern for _, pattern, _ in rows], open_ended=True)


def _within(forms: Callable[[], tuple[Form, ...]], text: str) -> list[Form]:
    """Those whose pattern may be in `text`."""
    rows, known = _known(forms)
    found = told(known.found((text + known.end).encode()) or [], *known.nothing)
    return [rows[number] for number in found]


_RARE = frozenset("!#$%&()*+;<>?@^`{|}~")
_LONG = 20
_VARIED = 3
"""Different ones of these that a run of base85 has; names and paths have fewer."""

_THIRTY_TWO = {
    each: " " for each in range(0x80) if chr(each) not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
}
_LEAST = 16
"""Characters of a run of base32, and of binary digits."""


def may_hold(word: str) -> bool:
    """Whether `decoded` may read something in a word of ASCII without blanks. Fast."""
    if len(_RARE.intersection(word)) >= _VARIED or joined(word):
        return True
    return any(len(run) >= _LEAST for run in word.translate(_THIRTY_TWO).split())
