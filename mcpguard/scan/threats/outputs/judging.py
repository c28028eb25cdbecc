"""Frames over a text: which passage of it is most of an instruction, and how much."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import nlargest
from itertools import compress
from operator import itemgetter
from typing import NamedTuple

from mcpguard.scan.threats.classifier import brought, learned, sentences
from mcpguard.scan.threats.outputs.frames import FRAMES, Frame, Step
from mcpguard.scan.threats.outputs.lexicon import Sense
from mcpguard.scan.threats.outputs.reading import Reading, folded, read

__all__ = [
    "ABOUT",
    "BESIDE",
    "MOST_CHOSEN",
    "NOTHING",
    "RESEMBLES",
    "Passage",
    "beside",
    "framed",
    "weigh",
]

S = Sense

REACH = 60
"""Words. What stands farther apart does not add up."""

ABOUT_REACH = 30
"""Words around a passage in which a text can say that it speaks about attacks."""

ABOUT = 0.45
"""Times. What a passage weighs in a text that speaks about attacks."""

DOUBT = 0.4
"""Times. What a frame weighs when others are said to do it: "attackers may try to ignore ..."."""

DOUBT_REACH = 3
"""Words before a frame in which that is said."""

DOUBTED = frozenset({"override", "leak", "conceal", "persona"})
"""Topics that people write about."""

_CLAUSE = int(
    S.EDGE | S.STOP | S.COMMA | S.COLON | S.HASH | S.LEAD | S.MUST | S.URGENT | S.MARKUP | S.COMMENT
)
_HEADS = int(
    S.VOID
    | S.HEADER
    | S.TODO
    | S.NEW_TASK
    | S.URGENT
    | S.ROLE
    | S.MODEL
    | S.AGENT
    | S.AUTHORITY
    | S.NOTE
)
"""What is followed by a colon and still a beginning."""

_HEADED = int(S.COLON | S.EDGE)
_TODO = int(S.TODO)
_COMMENT = int(S.HASH | S.COMMENT)
_ORDER = int(S.ORDER)
_STOP = int(S.STOP)
_ABOUT = int(S.ABOUT)
_SURE = int(S.STOP | S.COLON | S.COMMA | S.YOU | S.MUST | S.MODEL | S.AGENT)
_TELLING = int(S.MENTION | S.TO)
_LEAD = int(S.LEAD)


LEAST = -0.9
"""Log-odds from which a sentence counts at all."""

SLOPE = 2.0
"""Weight that each one of the log-odds adds."""

MOST = 3.2
"""Most that it weighs: nothing is taken out for what was learned alone, in a comment neither."""

MOST_ALIKE = 4
"""Sentences whose surroundings are looked at."""

MOST_CHOSEN = 400
"""Sentences of a piece that are judged by what was learned, the longest: all but such as are
shorter than forty characters where there are many. A megabyte of those would take seconds."""

BESIDE = 300
"""Characters around a sentence, in which it and an order add up."""

LIGHTEST = 0.5
"""Weight from which frames and a sentence add up."""

RESEMBLES = Frame(
    "output-resembles",
    "resembles",
    0.0,
    "it reads like what steers a model, in whatever words",
    (),
)


class _Match(NamedTuple):
    frame: Frame
    start: int
    end: int
    weight: float


class Passage(NamedTuple):
    """The heaviest part of a text: its weight, and the frame that counts of each topic.

    Of what was learned `start` and `end` are the characters of the sentence, and `near` is what the
    frames beside it weigh, which stand in another reading of the text; of frames alone all are 0.
    """

    weight: float
    frames: tuple[Frame, ...]
    start: int = 0
    end: int = 0
    near: float = 0.0


NOTHING = Passage(0.0, ())


def weigh(text: str, least: float) -> Passage:
    """The heaviest passage of `text`, a reading, if it weighs `least` or more. Linear.

    What is said in words that were ordered is weighed by frames; what reads like what steers a
    model is weighed by what was learned; where both stand together, they add up.
    """
    best = framed(text, least)
    for start, end, learnt in _alike(text):
        around = read(folded(beside(text, start, end)))
        near = _framed(around, LIGHTEST)
        about = any(sense & _ABOUT for sense in around.senses)
        weight = round(ABOUT * learnt, 2) if about else learnt
        if weight >= LIGHTEST and near.weight + weight > best.weight:
            frames = (RESEMBLES._replace(weight=weight), *near.frames)
            best = Passage(near.weight + weight, frames, start, end, near.weight)
    return best if best.weight >= least else NOTHING


def beside(text: str, start: int, end: int) -> str:
    """What of `text` adds up with the sentence from `start` to `end`."""
    return text[max(0, start - BESIDE) : end + BESIDE]


def _alike(text: str) -> list[tuple[int, int, float]]:
    """Start, end and weight of the sentences that read most like what steers a model."""
    model, told = learned("outputs"), sentences(text)
    chosen = {at for at in model.worthy(told) if not _spelt(told[at].words)}
    if len(chosen) > MOST_CHOSEN:
        longest = nlargest(MOST_CHOSEN, chosen, key=lambda at: told[at].end - told[at].start)
        chosen = set(longest)
    found = (
        (told[at].start, told[at].end, _weight(model.log_odds(features)))
        for at, features in brought(text, told, chosen)
    )
    return nlargest(MOST_ALIKE, (each for each in found if each[2] > 0), key=itemgetter(2))


def _spelt(words: Sequence[str]) -> bool:
    """Whether most of `words` are one letter, or nine in ten numbers or marks: a table."""
    letters = sum(len(each) == 1 and each.isascii() for each in words)
    numbers = sum(not any(map(str.isalpha, each)) for each in words)
    return 2 * letters > len(words) or 10 * numbers > 9 * len(words)


def _weight(log_odds: float) -> float:
    return round(min(MOST, max(0.0, SLOPE * (log_odds - LEAST))), 2)


def framed(text: str, least: float) -> Passage:
    """The heaviest passage of words that were ordered, if it weighs `least` or more."""
    return _framed(read(folded(text)), least)


def _framed(found: Reading, least: float) -> Passage:
    senses = set(found.senses)
    able = _able(senses)
    if _bound(able) < least:
        return NOTHING
    ready = _ready(senses, frozenset(map(id, able)))
    if not _enough(found, ready, least):
        return NOTHING
    matches = list(_matches(found, ready))
    most = _bound({id(match.frame): match.frame for match in matches}.values())
    if most < least:
        return NOTHING
    abouts = [at for at, sense in zip(found.at, found.senses, strict=True) if sense & _ABOUT]
    best = NOTHING
    for passage in _passages(matches, abouts):
        if passage.weight > best.weight:
            best = passage
        if best.weight >= most:
            break  # nothing in the text can weigh more
    return best if best.weight >= least else NOTHING


def _able(senses: Iterable[int]) -> list[Frame]:
    """The frames all of whose steps are somewhere among `senses`."""
    present = 0
    begun: dict[int, tuple[Frame, list[int]]] = {}
    for sense in senses:
        present |= sense
        begun.update(_starting(sense))
    return [frame for frame, steps in begun.values() if _all_in(steps, present)]


def _all_in(steps: Sequence[int], present: int) -> bool:
    for step in steps:  # noqa: SIM110 - a loop takes half the time of a generator, and it is hot
        if not step & present:
            return False
    return True


@lru_cache(maxsize=4096)
def _starting(sense: int) -> dict[int, tuple[Frame, list[int]]]:
    """The frames that a word with these senses may begin, by id, with the senses of their steps."""
    return {
        id(frame): (frame, [step.senses for step in frame.steps])
        for frame in FRAMES
        if frame.steps[0].senses & sense
    }


def _bound(frames: Iterable[Frame]) -> float:
    """What `frames` weigh at most together."""
    heaviest: dict[str, float] = {}
    for frame in frames:
        heaviest[frame.topic] = max(frame.weight, heaviest.get(frame.topic, 0.0))
    return sum(heaviest.values())


def _ready(senses: Iterable[int], able: frozenset[int]) -> dict[int, list[Frame]]:
    """Senses of a word -> the frames of those `able` that it may begin."""
    return {
        sense: [frame for key, (frame, _) in _starting(sense).items() if key in able]
        for sense in senses
        if not able.isdisjoint(_starting(sense))
    }


def _enough(found: Reading, ready: Mapping[int, list[Frame]], least: float) -> bool:
    """Whether the frames that are met weigh `least`, wherever they stand: in few texts they do.

    Of a topic only a frame heavier than those met is looked for.
    """
    heaviest: dict[str, float] = {}
    for number in compress(range(len(found.at)), map(ready.get, found.senses)):
        for frame in ready[found.senses[number]]:
            heavier = frame.weight > heaviest.get(frame.topic, 0.0)
            if heavier and _ended(found, number, frame) >= 0:
                heaviest[frame.topic] = frame.weight
                if sum(heaviest.values()) >= least:
                    return True
    return False


def _matches(found: Reading, ready: Mapping[int, list[Frame]]) -> Iterator[_Match]:
    for number in compress(range(len(found.at)), map(ready.get, found.senses)):
        for frame in ready[found.senses[number]]:
            end = _ended(found, number, frame)
            if end >= 0:
                weight = frame.weight
                if frame.topic in DOUBTED:
                    weight *= _doubt(found, number)
                yield _Match(frame, found.at[number], end, weight)


def _ended(found: Reading, number: int, frame: Frame) -> int:
    """Where `frame`, which begins with the word, ends; -1 when it is not met."""
    end = _end(found, number, frame.steps)
    return -1 if end >= 0 and frame.order and not _begins(found, number) else end


def _begins(found: Reading, number: int) -> bool:
    """Whether the word begins a clause, so that a verb is an order and not a heading."""
    at, sense = found.at[number], found.senses[number]
    end = at + found.size.get(at, 1)
    heads = number + 1 < len(found.at) and found.at[number + 1] == end and not sense & _HEADS
    if heads and found.senses[number + 1] & _HEADED:
        return False
    if at == 0 or sense & _ORDER:
        return True
    if not number:
        return False
    last = _before(found, number)
    before = found.senses[last]
    gap = found.at[last] + found.size.get(found.at[last], 1) < at
    if gap or (sense & _TODO and before & _COMMENT):
        return False
    return bool(before & _CLAUSE)


def _before(found: Reading, number: int) -> int:
    """The word, or the phrase, before a word: its number."""
    last = number - 1
    for earlier in range(last - 1, max(-1, last - 4), -1):
        at = found.at[earlier]
        if at + found.size.get(at, 1) == found.at[number]:
            return earlier
    return last


def _end(found: Reading, number: int, steps: Sequence[Step]) -> int:
    """Where the last of `steps` ends; -1 when they are not met within one sentence."""
    ats, senses, size = found.at, found.senses, found.size
    end = ats[number] + size.get(ats[number], 1)
    count = len(ats)
    for wanted, gap in steps[1:]:
        while True:
            number += 1
            if number >= count:
                return -1
            at = ats[number]
            if at - end > gap:
                return -1
            if at < end:
                continue
            sense = senses[number]
            if sense & wanted:
                break
            if sense & _STOP:
                return -1
        end = at + size.get(at, 1)
    return end


def _doubt(found: Reading, number: int) -> float:
    """Less than one when the words before say that somebody tells of it."""
    at = found.at[number]
    while number > 0:
        number -= 1
        sense = found.senses[number]
        if at - found.at[number] > DOUBT_REACH or sense & _SURE:
            return 1.0
        if sense & _TELLING and not sense & _LEAD:
            return DOUBT
    return 1.0


def _passages(matches: Sequence[_Match], abouts: Sequence[int]) -> Iterator[Passage]:
    """The passage that begins with each match."""
    for number, first in enumerate(matches):
        best: dict[str, _Match] = {}
        end = first.end
        for at in range(number, len(matches)):
            match = matches[at]
            if match.start > first.start + REACH:
                break
            held = best.get(match.frame.topic)
            if held is None or match.weight > held.weight:
                best[match.frame.topic] = match
                end = max(end, match.end)
        weight = sum(match.weight for match in best.values())
        if any(first.start - ABOUT_REACH <= at <= end + ABOUT_REACH for at in abouts):
            weight *= ABOUT
        frames = sorted(best.values(), key=lambda match: -match.weight)
        yield Passage(weight, tuple(match.frame for match in frames))
