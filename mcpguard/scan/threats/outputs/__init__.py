"""Whether what a tool brought, or a prompt, or a server's question, tries to direct the model.

A result is data. What makes it an instruction is not one phrase but several things together: it
gives orders, says who it is, changes the topic, names a recipient, hides. So:

    texts.py      what of a result a model reads
    needles.py    what tells at once that nothing is in it
    lexicon.py    words by what they do in an instruction; words.py, unspaced.py: the words
    reading.py    a text as such words
    frames.py     words in an order, and what each order weighs
    judging.py    the passage of a text that weighs most

What is hidden or encoded weighs more by itself. Texts that speak about attacks weigh less.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

from mcpguard.errors import ScanError
from mcpguard.model import Json
from mcpguard.scan.needles import encodable
from mcpguard.scan.threats.digits import sentence_like
from mcpguard.scan.threats.encodings import (
    ESCAPED_TWICE,
    LEVELS,
    NUMERIC,
    ROOM,
    SLACK,
    Decoded,
    Part,
    again,
    decoded,
    respelt,
)
from mcpguard.scan.threats.outputs.judging import (
    BESIDE,
    NOTHING,
    RESEMBLES,
    Passage,
    beside,
    framed,
    weigh,
)
from mcpguard.scan.threats.outputs.needles import OVERLAP, dull, needles, quiet
from mcpguard.scan.threats.outputs.texts import (
    DEPTH,
    PACKED,
    Text,
    gathered,
    pointer,
    said,
)
from mcpguard.scan.threats.score import Outcome, Report
from mcpguard.scan.threats.signals import Signal
from mcpguard.scan.threats.spacing import SPACINGS

__all__ = [
    "BLOCK",
    "MAX_CHARACTERS",
    "REVIEW",
    "SHORT",
    "dull",
    "judge_result",
    "judge_texts",
    "needles",
]

REVIEW = 3.0
"""Weight from which a person, or the model, should be told."""

BLOCK = 5.0
"""Weight from which a result is no data any more. Three honest results of 5,010 reach it."""

MAX_CHARACTERS = 2 * 1024 * 1024
"""Characters of one result that are looked at. What is longer is for review: nobody looked."""

PIECE = 16 * 1024
"""Characters that are looked at together."""

SHORT = 400
"""Characters of a text that is told as a whole."""

GRAIN = 16
"""Characters to which the place of a passage is told."""

MAX_SHOWN = 200
"""Characters of what was hidden that a finding shows."""

MAX_SAYS = 4096
"""Characters of a hidden text that are judged as one; all of it is judged with the rest."""

_ALLOWED = Report(Outcome.ALLOW, 0.0, ())

_FORMS: dict[str, tuple[float, float, str]] = {
    "tags": (4.0, 0.0, "in tag characters, which nobody sees"),
    "selectors": (4.0, 0.0, "in variation selectors, which nobody sees"),
    "encoded": (2.5, 2.0, "in an encoded run"),
    "comment": (1.5, 1.5, "in a comment"),
    "ansi": (1.0, 2.0, "behind escape sequences"),
}
"""How a text is hidden -> what that weighs, the least that the text itself weighs, and words."""

_SEEN = frozenset({"comment", "ansi"})
"""Ways of hiding what stands in the reading too, where it is weighed with what is around it."""

_ENCODED = (2.5, 2.0, weigh)
"""The same for what `encodings` finds, and what weighs it."""

_RESPACED = (1.0, 2.0, framed)
"""The same where blanks are missing, or are something else. Addresses and code look like it, and
what is made of them does not read like a sentence: only words in an order count."""


def _numbered(says: str, least: float) -> Passage:
    """What numbers say that are no sentence, judged as words in an order alone."""
    return (weigh if sentence_like(says) else framed)(says, least)


_NUMBERED = (1.9, 2.0, _numbered)
"""The same for numbers: files are shown as numbers, and what passes in the open is not blocked."""

_WEIGHTS = {
    **dict.fromkeys(NUMERIC, _NUMBERED),
    ESCAPED_TWICE: (0.5, REVIEW, framed),
    **dict.fromkeys((form for form, *_ in SPACINGS), _RESPACED),
    "tags within words": (0.5, REVIEW, framed),
}
"""Form -> the same, where it is not `_ENCODED`. Every page has tags."""


_Where = Callable[[int], str]
"""The JSON pointer to the text of a number."""

_Found = tuple[Decoded, int, Callable[[int, int], tuple[int, int]]]


class _Place(NamedTuple):
    """A passage with the characters of the joined texts that it stands for, and what is hidden."""

    passage: Passage
    extra: float
    rule: str
    start: int
    end: int
    shown: str = ""
    message: str = ""

    @property
    def weight(self) -> float:
        return self.passage.weight + self.extra


def judge_result(value: Json) -> Report:
    """What is to be thought of what a model is to read.

    That is a result, an error's `message` and `data`, a prompt's messages, or the params of a
    sampling or elicitation request.
    Every string and key of `value` is looked at, as a model would be shown it. What is more than
    `MAX_CHARACTERS` is for review, as `output-unscanned`. Linear in the size of `value`.
    """
    try:
        strings: list[str] = []
        gathered(value, strings, DEPTH)
        looked = PACKED.isdisjoint(strings)
        if looked and quiet("\n".join(strings)):
            return _ALLOWED
        return _judged(said(value), lambda number: pointer(value, number), looked=looked)
    except ScanError as error:
        return _unscanned(str(error))


def judge_texts(texts: Mapping[str, str]) -> Report:
    """The same of texts that are named by JSON pointers."""
    return _judged([*texts.values()], [*texts].__getitem__)


def _judged(texts: Sequence[str], where: _Where, *, looked: bool = False) -> Report:
    """The report on `texts`, each on its own line. `looked`: they are known not to be quiet."""
    if sum(map(len, texts)) + len(texts) > MAX_CHARACTERS:
        return _unscanned(f"result: more than {MAX_CHARACTERS} characters")
    whole = "\n".join(texts)
    if not looked and quiet(whole):
        return _ALLOWED
    return _report(_heaviest(encodable(whole)), texts, where)


def _unscanned(why: str) -> Report:
    signal = Signal("output-unscanned", REVIEW, "", 0, 0, f"it was not looked through: {why}")
    return Report(Outcome.REVIEW, REVIEW, (signal,))


def _heaviest(whole: str) -> _Place:
    """The place in `whole` that weighs most, or the first one that weighs enough to block."""
    text = Text(whole)
    best = _NOWHERE
    for place in chain(_open(text), _hidden(text), _further(text, LEVELS, _Room(len(whole)))):
        if place.weight > best.weight:
            best = place
        if best.weight >= BLOCK:
            break
    if best.weight < REVIEW:
        return _NOWHERE
    return best if best.extra else _narrowed(text, best)


_NOWHERE = _Place(NOTHING, 0.0, "", 0, 0)


def _open(text: Text, least: float = REVIEW) -> Iterator[_Place]:
    """Passages in sight: of each piece of the reading. `start` and `end` are the piece's there."""
    for start, piece in _pieces(text.text):
        found = weigh(piece, least)
        if found.weight:
            yield _Place(found, 0.0, "", start, start + len(piece))


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    for start in range(0, max(1, len(text)), PIECE):
        begin = max(0, start - OVERLAP)
        yield begin, text[begin : start + PIECE]


def _narrowed(text: Text, place: _Place) -> _Place:
    """`place` of the reading as the part of the source that weighs as much."""
    piece = text.text[place.start : place.end]
    first, last = _within(piece, place.passage)
    start, end = text.span(place.start + first, place.start + last)
    return place._replace(start=start, end=end)


def _within(piece: str, passage: Passage) -> tuple[int, int]:
    """The start and end of `passage` in `piece`, which is told as a whole when it is short."""
    first, last = passage.start, passage.end
    if not last or len(piece) <= SHORT:
        return narrowed(piece, passage.weight)
    if passage.near:
        one, other = narrowed(beside(piece, first, last), passage.near)
        begin = max(0, first - BESIDE)
        first, last = min(first, begin + one), max(last, begin + other)
    return first, last


def narrowed(piece: str, weight: float) -> tuple[int, int]:
    """The start and end of a part of `piece` whose frames weigh so much, to `GRAIN` characters."""
    if len(piece) <= SHORT:
        return 0, len(piece)
    least = weight - _ROUNDING
    for start in range(0, len(piece), OVERLAP):
        part = piece[start : start + 2 * OVERLAP]
        if framed(part, least).weight >= least:
            first, last = _edges(part, least)
            return start + first, start + last
    return 0, len(piece)


_ROUNDING = 0.01


def _edges(part: str, least: float) -> tuple[int, int]:
    grains = -(-len(part) // GRAIN)
    end = _least(grains, lambda at: framed(part[: at * GRAIN], least).weight >= least) * GRAIN
    size = _least(
        -(-end // GRAIN),
        lambda at: framed(part[max(0, end - at * GRAIN) : end], least).weight >= least,
    )
    start = max(0, end - size * GRAIN)
    return start, min(end, len(part))


def _least(high: int, enough: Callable[[int], bool]) -> int:
    """The least number up to `high` that is enough, by halving."""
    low = 0
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return high


def _hidden(text: Text) -> Iterator[_Place]:
    for kind, start, end, says in text.hidden:
        if kind == "overflow":
            yield _unread(start, end)
        elif kind in _FORMS and " " in says:
            extra, least, words = _FORMS[kind]
            found = (framed if kind in _SEEN else weigh)(says[:MAX_SAYS], least)
            if found.weight or not least:
                rule, message = f"output-hidden-{kind}", f"it is said {words}"
                extra = _beside(found, extra)
                yield _Place(found, extra, rule, start, end, says[:MAX_SHOWN], message)


class _Room:
    """What is read of texts within a text of `size` characters: each once, and so much of them."""

    def __init__(self, size: int) -> None:
        self._left = ROOM * size + SLACK
        self._read = set[str]()

    def holds(self, text: str) -> bool | None:
        """Whether `text` is still to be read; nothing when there is no room for it."""
        if text in self._read:
            return False
        self._read.add(text)
        self._left -= len(text)
        return None if self._left < 0 else True


def _further(text: Text, levels: int, room: _Room) -> Iterator[_Place]:
    """What has to be decoded first, and what is encoded in that, `levels` deep."""
    for found, at, back in _decoded(text):
        yield from _said(found, at, back)
        if levels:
            span = back(at + found.parts[0].start, at + found.parts[-1].end)
            yield from _inner(found, span, levels - 1, room)


def _unread(start: int, end: int) -> _Place:
    message = "more is encoded within what is encoded than is looked through"
    return _Place(NOTHING, REVIEW, "output-unscanned", start, end, "", message)


def _inner(found: Decoded, span: tuple[int, int], levels: int, room: _Room) -> Iterator[_Place]:
    """What is hidden or encoded in what was `found` at `span`."""
    if quiet(found.says):
        return
    holds = room.holds(found.says)
    if holds is None:
        yield _unread(*span)
    if not holds:
        return
    text = Text(encodable(found.says))
    extra, least, _ = _WEIGHTS.get(found.form, _ENCODED)
    seen = _open(text, least) if text.text != found.says else ()
    said = found.form not in NUMERIC or sentence_like(text.text)
    for place in chain(seen, _hidden(text), _further(text, levels, room)):
        if not said and _learnt(place.passage):
            continue
        message = f"it has to be decoded first ({found.form}), and more than once"
        shown = place.shown or text.text[place.start : place.end][:MAX_SHOWN]
        more = place.extra + (extra if place.passage.frames else 0.0)
        more = _beside(place.passage, more)
        yield _Place(place.passage, more, place.rule or "output-encoded", *span, shown, message)


def _decoded(text: Text) -> Iterator[_Found]:
    """What is found encoded, each with its place, and the way back to the source."""
    for each in decoded(text.source):
        yield each, 0, _same
    for start, part in text.added():
        for each in (*decoded(part), *again(part)):
            yield each, start, text.span
    for start, piece in _pieces(text.text):
        for each in respelt(piece):
            yield each, start, text.span


def _said(found: Decoded, at: int, back: Callable[[int, int], tuple[int, int]]) -> Iterator[_Place]:
    """What `found`, which begins at `at`, weighs: the part that weighs it, else all of it."""
    extra, least, judge = _WEIGHTS.get(found.form, _ENCODED)
    for _, says in _pieces(found.says):
        passage = judge(says, least)
        if passage.weight:
            whole = Part(found.parts[0].start, found.parts[-1].end, says)
            enough = (each for each in found.parts if judge(each.says, passage.weight).weight)
            start, end, shown = whole if len(found.parts) == 1 else next(enough, whole)
            message = f"it has to be decoded first ({found.form})"
            span = back(at + start, at + end)
            more = _beside(passage, extra)
            yield _Place(passage, more, "output-encoded", *span, shown[:MAX_SHOWN], message)


def _beside(passage: Passage, extra: float) -> float:
    """What it weighs that a passage is hidden. What was learned alone blocks nothing, there too."""
    return min(extra, _DOUBTFUL - passage.weight) if _learnt(passage) else extra


def _learnt(passage: Passage) -> bool:
    """Whether it weighs nothing but what was learned."""
    rules = {frame.rule for frame in passage.frames}
    return rules == {RESEMBLES.rule}


_DOUBTFUL = BLOCK - 0.1


def _same(start: int, end: int) -> tuple[int, int]:
    return start, end


def _report(place: _Place, texts: Sequence[str], where: _Where) -> Report:
    if place is _NOWHERE:
        return _ALLOWED
    number, start, end = _located(place, texts)
    at = where(number), start, end
    signals = [
        Signal(frame.rule, frame.weight, *at, frame.message, place.shown)
        for frame in place.passage.frames
    ]
    if place.extra:
        signals.append(Signal(place.rule, place.extra, *at, place.message, place.shown))
    signals.sort(key=lambda each: -each.weight)
    weight = round(place.weight, 2)
    outcome = Outcome.BLOCK if weight >= BLOCK else Outcome.REVIEW
    return Report(outcome, weight, tuple(signals))


def _located(place: _Place, texts: Sequence[str]) -> tuple[int, int, int]:
    """The number of the text in which `place` begins, and its characters there."""
    ends = [*accumulate(len(text) + 1 for text in texts)]
    number = min(bisect_right(ends, (place.start + place.end) // 2), len(ends) - 1)
    at, size = ends[number] - len(texts[number]) - 1, len(texts[number])
    start = min(size, max(0, place.start - at))
    return number, start, max(start, min(size, place.end - at))
