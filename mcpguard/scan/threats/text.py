"""One reading of a text, with what a person cannot see in it, and the way back to the original.

Compatibility forms, accents and look-alike letters are folded (NFKC; UTS 39), what is invisible is
taken out, escapes and tag characters are read, runs of base64 and hex that hold text are appended.
Linear in the text. The result is at most `GROWTH` times as long, plain ASCII text stays as it is.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from string import ascii_lowercase
from typing import NamedTuple
from unicodedata import category, combining, normalize

from mcpguard.scan.needles import compiled, encodable, remembered, spans
from mcpguard.scan.threats.confusables import LOOK_ALIKE
from mcpguard.scan.threats.escapes import RUN, TOKENS, decoded, runs, tokens

__all__ = [
    "ENDS",
    "GROWTH",
    "MAX_PIECES",
    "MOST_ADDED",
    "PAUSE",
    "SEPARATORS",
    "Hidden",
    "Normal",
    "as_is",
    "lowered",
    "normalise",
    "plain",
    "replacing",
]

GROWTH = 4
"""Times. No reading of a text is longer than that; decoded runs beyond it are an `overflow`."""

MOST_ADDED = 12
"""Times a text, how long a reading may be with what `adding` puts behind it."""

MAX_PIECES = 32 * 1024
"""Escapes of one text that are read. More of them are themselves told, as `overflow`; no segment of
a result has as many characters."""

MAX_HIDDEN = 64
"""Hidden places of one text that are told one by one: a person reads no more."""

DEPTH = 2
"""Levels of encoding within encoding that are read."""

LONGEST_FORM = 3
"""Characters that one character may become; the few longer compatibility forms are cut."""


class Hidden(NamedTuple):
    """What a person does not see: its kind, its place in the original, and what it says."""

    kind: str
    start: int
    end: int
    says: str


class _Piece(NamedTuple):
    """`text` at `at` of the reading stands for `start` to `end` of the original.

    `whole`: it does so only as a whole; otherwise cluster by cluster.
    """

    at: int
    start: int
    end: int
    text: str
    whole: bool


class Normal:
    """A reading of `source`: `text`, what was `hidden`, and where each part of it comes from."""

    __slots__ = ("_pieces", "_places", "hidden", "source", "text")

    def __init__(
        self, source: str, pieces: tuple[_Piece, ...], hidden: tuple[Hidden, ...], text: str
    ) -> None:
        self.text = text
        self.hidden = hidden
        self.source = source
        self._pieces = pieces
        self._places: dict[int, tuple[list[int], list[int]] | None] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that `start` to `end` of `text` stand for.

        Whole clusters and whole escapes: reading that part again gives the asked text, or more.
        """
        if not self._pieces:
            return start, end
        first, last = self._place(start), self._place(max(start, end - 1))
        return min(first[0], last[0]), max(first[1], last[1])

    def same(self) -> int:
        """How much of the start of `text` is the source as it was written: all of it, or none."""
        return len(self.source) if self.text.startswith(self.source) else 0

    def adding(self, found: Iterable[Hidden]) -> "Normal":
        """This reading with what was `found` besides: it stands at the end, as far as it may grow.

        What says nothing that is hidden is of no kind. What has no room is an `overflow`.
        """
        source = self.source
        pieces = [*(self._pieces or (_Piece(0, 0, len(source), self.text, False),))]
        hidden, at = [*self.hidden], len(self.text)
        for each in found:
            says = f"\n{each.says}"
            if at + len(says) > MOST_ADDED * len(source):
                hidden.append(Hidden("overflow", each.start, each.end, ""))
                break
            pieces.append(_Piece(at, each.start, each.end, says, True))
            at += len(says)
            hidden += (each,) if each.kind else ()
        return Normal(source, tuple(pieces), tuple(hidden), "".join(each.text for each in pieces))

    def _place(self, at: int) -> tuple[int, int]:
        """The smallest part of the original that the character at `at` comes from."""
        number = max(0, bisect_right(self._pieces, at, key=lambda piece: piece.at) - 1)
        piece = self._pieces[number]
        if piece.whole:
            return piece.start, piece.end
        if self._places is None:
            self._places = {}
        if number not in self._places:
            source = self.source[piece.start : piece.end]
            self._places[number] = None if source == piece.text else _clusters(source)
        places = self._places[number]
        if places is None:
            return piece.start + at - piece.at, piece.start + at - piece.at + 1
        outs, ins = places
        found = max(0, bisect_right(outs, at - piece.at) - 1)
        return piece.start + ins[found], piece.start + ins[min(found + 1, len(ins) - 1)]


def normalise(text: str) -> Normal:
    """Read `text`. Total; half surrogate pairs become U+FFFD."""
    text = encodable(text)
    if text.isascii():
        return as_is(text) if plain(text) else _read(text, DEPTH)
    raw = text.encode()
    if compiled(_HARD).search(raw) is None and not _encoded(raw):
        return as_is(_typography()(text) if compiled(_FOLDING).search(raw) else text)
    return _read(text, DEPTH)


def plain(text: str) -> bool:
    """Whether `text` reads as it stands: ASCII without escapes, comments and encoded runs."""
    if not text.isascii():
        return False
    raw = text.encode()
    return compiled(_ODD).search(raw) is None and not _encoded(raw)


def _encoded(raw: bytes) -> bool:
    return any(map(_likely, runs(raw)))


@remembered(1024)
def _likely(run: str) -> bool:
    """Whether a run may be encoded text, and not a long name or path."""
    return bool(decoded(run))


def as_is(text: str) -> Normal:
    """The reading of a text that is `plain`, or is part of one."""
    return Normal(text, (), (), text)


def _read(text: str, depth: int) -> Normal:
    pieces: list[_Piece] = []
    hidden = list(_hidden(text))
    at = done = 0
    for count, (start, end, kind, says) in enumerate(tokens(text)):
        if count >= MAX_PIECES:
            hidden.append(Hidden("overflow", start, len(text), ""))
            break
        if done < start:
            pieces.append(_Piece(at, done, start, _folded(text[done:start]), False))
            at += len(pieces[-1].text)
        pieces.append(_Piece(at, start, end, _folded(says), True))
        at += len(pieces[-1].text)
        if kind in _UNSEEN and len(hidden) < MAX_HIDDEN:
            hidden.append(Hidden(kind, start, end, says))
        elif kind == "escape" and _spelt(says) and len(hidden) < MAX_HIDDEN:
            hidden.append(Hidden("encoded", start, end, says))
        done = end
    pieces.append(_Piece(at, done, len(text), _folded(text[done:]), False))
    plain = "".join(piece.text for piece in pieces)
    if depth:
        _decode(text, plain, pieces, hidden, depth)
    return Normal(text, tuple(pieces), tuple(hidden), "".join(piece.text for piece in pieces))


def _spelt(says: str) -> bool:
    """Whether escapes spell words that could stand as they are: nobody has to escape letters."""
    return len(_LATIN.findall(says)) >= SPELT


SPELT = 10
"""ASCII letters of one run of escapes. Fewer are a name in an address, or an example."""

_EASY = (
    r"\x09\x0a\x0d\x20-\x7e\xa0\xa3\xa7\xa9\xab\xae\xb0\xb1\xb7\xbb\xbf-\xff"
    r"\x{2010}-\x{2027}\x{2030}-\x{203b}\x{20ac}\x{2190}-\x{22ff}\x{2500}-\x{27bf}"
    r"\x{3001}-\x{3011}\x{3041}-\x{3096}\x{30a1}-\x{30fa}\x{4e00}-\x{9fff}\x{ff0c}\x{1f300}-\x{1faff}"
)
"""Common characters that stand alone: typography, Latin letters, Han and Kana, emoji."""

_FOLDED = (0xA0, *range(0xBF, 0x100), *range(0x2010, 0x2020), 0x2212)
"""Code points of those that may be folded."""

_FOLDING = "[" + "".join(rf"\x{{{point:x}}}" for point in _FOLDED) + "]"


# --- folding -------------------------------------------------------------------------------------

_ZERO_WIDTH = (
    r"\x{AD}\x{34F}\x{61C}\x{180E}\x{200B}-\x{200F}\x{2060}-\x{2064}\x{206A}-\x{206F}\x{FEFF}"
    r"\x{FFF9}-\x{FFFB}\x{1D173}-\x{1D17A}"
)
_BIDI = "\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}"
_FILLER = "\\x{115F}\\x{1160}\\x{3164}\\x{FFA0}\\x{2800}\\x{17B4}\\x{17B5}"
_BIDI_POINTS = frozenset((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_FILLER_POINTS = frozenset((0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x17B4, 0x17B5))
_CONTROL = "\\x{00}-\\x{08}\\x{0B}\\x{0C}\\x{0E}-\\x{1F}\\x{7F}-\\x{9F}"

_CONTROLS = f"[{_CONTROL}]"

_RANGES = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x180B, 0x180F), (0x200B, 0x200F)),
    *((0x2060, 0x2064), (0x206A, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0x1D173, 0x1D17A)),
    *((0x202A, 0x202E), (0x2066, 0x2069)),
    *((0x115F, 0x1160), (0x3164, 0x3164), (0xFFA0, 0xFFA0), (0x2800, 0x2800), (0x17B4, 0x17B5)),
    *((0xFE00, 0xFE0F), (0xE0100, 0xE01EF), (0xE0000, 0xE007F)),
    *((0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F)),
)
"""First and last code points of what is not seen, and taken out of the reading."""

_MARKS = (
    *range(0x300, 0x370),
    *range(0x483, 0x48A),
    *range(0x64B, 0x660),
    *(0x640, 0x670),
    *range(0x1AB0, 0x1B00),
    *range(0x1DC0, 0x1E00),
    *range(0x20D0, 0x2100),
    *range(0xFE20, 0xFE30),
)
"""Accents, Arabic vowel signs and the Arabic elongation: no word is another one without them."""

_DRAWN = (
    dict(zip(range(0x1F1E6, 0x1F200), ascii_lowercase, strict=True)),
    dict(zip(range(0x1F150, 0x1F16A), ascii_lowercase, strict=True)),
    dict(zip(range(0x1F170, 0x1F18A), ascii_lowercase, strict=True)),
    str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz"),
    str.maketrans("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", ascii_lowercase),
)
"""Letters that NFKC leaves as they are: of flags, white on black, small capitals, braille."""


_FILLED = 0xE00
"""Code points that the tables name though they stay: what is left out costs translate an exception
a character."""


@cache
def _before() -> dict[int, int | str | None]:
    """Applied before NFKC: takes out what is not seen, and cuts the longest compatibility forms."""
    table: dict[int, int | str | None] = {point: point for point in range(_FILLED)}
    table |= {point: None for first, last in _RANGES for point in range(first, last + 1)}
    for first, last in ((0x2057, 0x2057), (0x2150, 0x2488), (0x2A0C, 0x2A0C), (0x3200, 0x33FF)):
        table |= {point: _cut(point) for point in range(first, last + 1) if _cut(point)}
    return table | {point: _cut(point) for point in range(0xFDF2, 0xFDFD)}


def _cut(point: int) -> str | None:
    form = normalize("NFKC", chr(point))
    return form[:LONGEST_FORM] if len(form) > LONGEST_FORM else None


@cache
def _after() -> dict[int, str | int | None]:
    """Applied after NFKC: letters without their accents, every kind of quote and dash as one."""
    table: dict[int, str | int | None] = {point: point for point in range(_FILLED)}
    table |= dict.fromkeys(_MARKS)
    for first, last in ((0xC0, 0x250), (0x1E00, 0x1F00)):
        for point in range(first, last):
            letter = normalize("NFD", chr(point))[0]
            if letter.isascii():
                table[point] = ord(letter)
    quotes = {0x2018: "'", 0x2019: "'", 0x201B: "'", 0x201C: '"', 0x201D: '"', 0x2E3A: "-"}
    dashes = dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2212), "-")
    for letters in _DRAWN:
        table |= letters
    return table | quotes | dashes | {0xA0: " ", 0x622: 0x627, 0x623: 0x627, 0x625: 0x627}


@cache
def _typography() -> Callable[[str], str]:
    """What `_after` does to what `_FOLDED` names, in a quarter of the time."""
    folded = {chr(point): chr(point).translate(_after()) for point in _FOLDED}
    return replacing({each: fold for each, fold in folded.items() if each != fold})


_LOOK_ALIKES = frozenset(map(chr, LOOK_ALIKE))


def _folded(text: str) -> str:
    """`text` as it is compared. Works cluster by cluster, so parts of it fold to its parts."""
    if text.isascii():
        seen = text.isprintable() or compiled(_CONTROLS).search(text.encode()) is None
        return text if seen else text.translate(_before())
    return _letter(text) if len(text) == 1 else _wide(text)


def _wide(text: str) -> str:
    text = _composed(text)
    return text if text.isascii() else _unmasked(text)


_letter = lru_cache(maxsize=4096)(_wide)


def _composed(text: str) -> str:
    return normalize("NFKC", _thinned(text.translate(_before()))).translate(_after())


def _thinned(text: str) -> str:
    """`text` with at most `_CROWD` marks on a letter: to order n of them takes the square of n.

    As the Stream-Safe Text Format (UAX 15, 13) has it, but that the others are left out.
    """
    return _marks_on_end().sub(r"\1", text) if _CROWDED.search(text) else text


_CROWD = 30
_CROWDED = re.compile(rf"[^\0-\u02ff\w\s]{{{_CROWD + 1}}}")
"""What may be so many: marks are no letters."""


@cache
def _marks_on_end() -> re.Pattern[str]:
    marks = "".join(chr(point) for point in range(0x300, 0x1F000) if combining(chr(point)))
    return re.compile(f"([{marks}]{{{_CROWD}}})[{marks}]+")


def _unmasked(text: str) -> str:
    """`text` with look-alike letters as what they look like, in words that have ASCII ones too."""
    parts, done = [], 0
    for start, end in _masked(text):
        parts += [text[done:start], text[start:end].translate(LOOK_ALIKE)]
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _masked(text: str) -> Iterator[tuple[int, int]]:
    """Words of ASCII and look-alike letters, both of them; or of nothing else in an ASCII text."""
    if _LOOK_ALIKES.isdisjoint(text):
        return
    mostly_ascii = len(text.encode()) < len(text) * 1.25
    if not mostly_ascii and _LATIN.search(text) is None:
        return
    for run in _RUNS(text):
        word = run.group()
        if word.isascii() or not _LIKE_ASCII.issuperset(word):
            continue
        if mostly_ascii or _LATIN.search(word):
            yield run.span()


_RUNS = re.compile(r"[^\W_]+").finditer

_LIKE_ASCII = _LOOK_ALIKES.union(map(chr, range(0x80)))

_LATIN = re.compile("[A-Za-z]")


# --- hidden characters and comments --------------------------------------------------------------

_INVISIBLE = "|".join(f"[{each}]+" for each in (_ZERO_WIDTH, _BIDI, _FILLER, _CONTROL))
_HARD = rf"[^{_EASY}\x{{fe0f}}]|{TOKENS}|<!--|\[//\]: #|\[comment\]:"
_ODD = rf"{TOKENS}|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|<!--|\[//\]: #|\[comment\]:"
_STYLE = r"[\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{1D400}-\x{1D6A5}]"
_STYLED = rf"{_STYLE}{_STYLE}{_STYLE}+(?: {_STYLE}{_STYLE}+)+"
"""Two words and more in fullwidth or mathematical Latin letters."""

_OPENERS = (("<!--", "-->"), ("[//]: #", "\n"), ("[comment]: #", "\n"), ("[comment]: <>", "\n"))
_UNSEEN = frozenset({"ansi", "tags", "selectors"})


def _hidden(text: str) -> Iterator[Hidden]:
    """Invisible characters that have no honest reason where they stand, comments, look-alikes."""
    found = 0
    for start, end in spans(_INVISIBLE, text):
        kind = _kind(ord(text[start]))
        if kind == "zero-width" and _joining(text, start, end):
            continue
        yield Hidden(kind, start, end, "")
        found += 1
        if found >= MAX_HIDDEN:
            break
    if not text.isascii():
        yield from _disguised(text)
        for count, (start, end) in enumerate(spans(_STYLED, text)):
            if count >= MAX_HIDDEN:
                break
            yield Hidden("styled", start, end, normalize("NFKC", text[start:end]))
    for opener, closer in _OPENERS:
        yield from _comments(text, opener, closer)


def _kind(point: int) -> str:
    if point in _BIDI_POINTS:
        return "bidi"
    if point in _FILLER_POINTS:
        return "filler"
    return "control" if point <= _LAST_CONTROL else "zero-width"


def _joining(text: str, start: int, end: int) -> bool:
    """Whether this joins emoji or letters of a script that needs it, or opens a text (a BOM)."""
    what = text[start:end]
    if start == 0 and what == "\N{ZERO WIDTH NO-BREAK SPACE}":
        return True
    beside = text[max(0, start - 1) : start] + text[end : end + 1]
    return what in _JOINERS and bool(beside) and not any(map(_latin, beside))


_LAST_CONTROL = 0x9F
_JOINERS = frozenset("\u200c\u200d\u200e\u200f")


def _latin(letter: str) -> bool:
    return letter.isascii() or letter < "\u0250"


def _disguised(text: str) -> Iterator[Hidden]:
    shown = normalize("NFKC", text) if _CROWDED.search(text) is None else text
    if len(shown) != len(text):
        shown = text
    for count, (start, end) in enumerate(_masked(shown)):
        word = shown[start:end]
        mixed = any(each.isascii() and each.isalpha() for each in word)
        if mixed and end - start > _SHORT and count < MAX_HIDDEN:
            yield Hidden("look-alike", start, end, word.translate(LOOK_ALIKE))


_SHORT = 3
"""Characters. Shorter mixed words are units and formulas."""


def _comments(text: str, opener: str, closer: str) -> Iterator[Hidden]:
    start = text.find(opener)
    for _ in range(MAX_HIDDEN):
        if start < 0:
            return
        end = text.find(closer, start + len(opener))
        stop = len(text) if end < 0 else end + len(closer)
        says = text[start + len(opener) : stop].removesuffix(closer).strip()
        yield Hidden("comment", start, stop, says)
        start = -1 if end < 0 else text.find(opener, stop)


# --- encoded runs --------------------------------------------------------------------------------


def _decode(text: str, plain: str, pieces: list[_Piece], hidden: list[Hidden], depth: int) -> None:
    """Append to `pieces` what runs of base64 and hex in `plain` say."""
    room = GROWTH * len(text) - len(plain)
    shown = Normal(text, tuple(pieces), (), plain)
    at = len(plain)
    for match in compiled(RUN).finditer(plain):
        says = decoded(match.group())
        if not says:
            continue
        says = "\n" + _read(encodable(says), depth - 1).text
        start, end = shown.span(*match.span())
        if len(says) > room:
            hidden.append(Hidden("overflow", start, end, ""))
            break
        pieces.append(_Piece(at, start, end, says, True))
        hidden.append(Hidden("encoded", start, end, says.strip()))
        at += len(says)
        room -= len(says)


def _clusters(text: str) -> tuple[list[int], list[int]]:
    """Where each part that folds by itself starts, folded and in `text`; both end with the end."""
    outs, ins, at, start = [0], [0], 0, 0
    for place, letter in enumerate(text):
        if place > start and _starts(letter):
            part = text[start:place]
            at += 1 if part.isascii() and part.isprintable() else len(_alone(part))
            outs.append(at)
            ins.append(place)
            start = place
    ins.append(len(text))
    return outs, ins


@lru_cache(maxsize=4096)
def _alone(cluster: str) -> str:
    return _composed(cluster)


_JAMO = range(0x1160, 0x1200)
"""Vowels and finals of Hangul, which are composed with what is before them."""


def _starts(letter: str) -> bool:
    """Whether nothing before `letter` can be composed or reordered with it."""
    if letter.isascii():
        return True
    point = ord(letter)
    return (
        not combining(letter)
        and category(letter)[0] != "M"
        and point not in _JAMO
        and point not in _before()
    )


ENDS = "\x01"
"""Stands in a lowered text where a sentence ends."""

PAUSE = "\x02"
"""A comma, a colon, a bracket: no phrase reaches across, and nothing is next to what follows."""

_ENDINGS = (
    (". ", f"{ENDS} "),
    (".\n", f"{ENDS}\n"),
    ("\n\n", f"{ENDS}\n"),
    ("\n- ", f"{ENDS}- "),
    ("\n* ", f"{ENDS}* "),
)
_BETWEEN = '\n\t\r\f\v.)[]{}<>"`*_-/\\|=+&#@%$^~«»'
SEPARATORS = {
    **dict.fromkeys(_BETWEEN, " "),
    **dict.fromkeys("\x1f!?;\u3002\u0964\u061f\u061b", ENDS),
    **dict.fromkeys(",:(\u3001\uff0c\u060c", PAUSE),
}
"""What stands between words -> what is put there, as long."""


def replacing(marks: Mapping[str, str]) -> Callable[[str], str]:
    """What puts one character for each of `marks`. UTF-8 takes a tenth of the time of `translate`.

    A character of ASCII is replaced by one of ASCII.
    """
    table = bytearray(range(0x100))
    for each, mark in marks.items():
        if each.isascii():
            table[ord(each)] = ord(mark)
    wide = [pair for pair in marks.items() if not pair[0].isascii()]

    def replaced(text: str) -> str:
        text = text.encode(*_UTF_8).translate(table).decode(*_UTF_8)
        if not text.isascii():
            for each, mark in wide:
                text = text.replace(each, mark)
        return text

    return replaced


_UTF_8 = ("utf-8", "surrogatepass")
_separated = replacing(SEPARATORS)


def lowered(text: str) -> str:
    """`text` in lower case, as long as it was: blanks between its words, `ENDS` where one ends."""
    low = text.lower()
    if len(low) != len(text):
        low = "".join(each if len(each.lower()) != 1 else each.lower() for each in text)
    for ending, mark in _ENDINGS:
        low = low.replace(ending, mark)
    return _separated(low)
