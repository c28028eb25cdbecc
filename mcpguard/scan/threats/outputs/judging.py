"""Frames over a text: which passage of it is most of an instruction, and how much."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from mcpguard.scan.threats.outputs.frames import FRAMES, Frame, Step
from mcpguard.scan.threats.outputs.lexicon import Sense as S
from mcpguard.scan.threats.outputs.reading import Word, folded, read

__all__ = ["Passage", "weigh"]

REACH = 60
"""Words. What stands farther apart does not add up."""

ABOUT_REACH = 30
"""Words around a passage in which a text can say that it speaks about attacks."""

CLAUSE = S.EDGE | S.STOP | S.COMMA | S.COLON | S.HASH | S.LEAD | S.MUST | S.URGENT | S.MARKUP


ABOUT = 0.45
"""Times. What a passage weighs in a text that speaks about attacks."""


class Match(NamedTuple):
    frame: Frame
    start: int
    end: int
    weight: float


class Passage(NamedTuple):
    """The heaviest part of a text: its weight, and the frame that counts of each topic."""

    weight: float
    frames: tuple[Frame, ...]


NOTHING = Passage(0.0, ())


def weigh(text: str) -> Passage:
    """The heaviest passage of `text`, a reading. Linear in the text."""
    found = read(folded(text))
    matches = list(_matches(found))
    if not matches:
        return NOTHING
    abouts = [word.at for word in found if word.sense & S.ABOUT]
    return max(_passages(matches, abouts), key=lambda each: each.weight)


@cache
def _by_sense() -> dict[int, tuple[Frame, ...]]:
    table: dict[int, list[Frame]] = {}
    for frame in FRAMES:
        for sense in S:
            if frame.steps[0].senses & sense:
                table.setdefault(int(sense), []).append(frame)
    return {sense: tuple(frames) for sense, frames in table.items()}


@cache
def _starting(senses: int) -> tuple[Frame, ...]:
    """The frames that a word with `senses` may begin."""
    return tuple(frame for frame in FRAMES if frame.steps[0].senses & senses)


def _matches(found: Sequence[Word]) -> Iterator[Match]:
    present = 0
    for word in found:
        present |= word.sense
    able = {
        id(frame): frame
        for frame in FRAMES
        if all(int(step.senses) & present for step in frame.steps)
    }
    if not able:
        return
    for number, word in enumerate(found):
        for frame in _starting(word.sense):
            if id(frame) not in able:
                continue
            if frame.order and not _begins(found, number):
                continue
            end = _ends(found, number, frame.steps)
            if end >= 0:
                yield Match(frame, word.at, end, frame.weight * _doubt(found, number, frame))


def _begins(found: Sequence[Word], number: int) -> bool:
    """Whether the word begins a clause, so that a verb is an order and not a heading."""
    word = found[number]
    after = found[number + 1] if number + 1 < len(found) else None
    if after and after.at == word.at + word.size and after.sense & (S.COLON | S.EDGE):
        if not word.sense & _HEADS:
            return False
    if word.at == 0 or word.sense & S.ORDER:
        return True
    before = found[number - 1] if number else None
    if not before or before.at + before.size < word.at:
        return False
    if word.sense & S.TODO:
        return not before.sense & (S.HASH | S.COMMENT) and bool(before.sense & CLAUSE)
    return bool(before.sense & CLAUSE)


_HEADS = S.VOID | S.HEADER | S.TODO | S.NEW_TASK | S.URGENT | S.ROLE | S.MODEL | S.AUTHORITY | S.NOTE
"""What is followed by a colon and still a beginning."""


def _ends(found: Sequence[Word], number: int, steps: Sequence[Step]) -> int:
    """Where the last of `steps` is met; -1 when they are not."""
    word = found[number]
    size = _size(word)
    end = word.at + size
    for step in steps[1:]:
        number += 1
        while number < len(found):
            word = found[number]
            if word.at - end > step.gap:
                return -1
            if word.at >= end or word.sense & step.senses:
                if word.sense & step.senses and word.at >= end:
                    break
                if word.sense & S.STOP:
                    return -1
            number += 1
        else:
            return -1
        end = word.at + _size(word)
    return end


def _size(word: Word) -> int:
    return word.size


DOUBT = 0.4
"""Times. What a frame weighs when others are said to do it: "attackers may try to ignore ..."."""


def _doubt(found: Sequence[Word], number: int, frame: Frame) -> float:
    """Less than one when the words before say that somebody tells of it."""
    if frame.topic not in {"override", "leak", "conceal", "persona"}:
        return 1.0
    at = found[number].at
    for word in reversed(found[max(0, number - 4) : number]):
        if at - word.at > 3 or word.sense & (S.STOP | S.COLON | S.COMMA | S.YOU):
            break
        if word.sense & (S.MUST | S.MODEL):
            break
        if word.sense & (S.MENTION | S.TO) and not word.sense & S.LEAD:
            return DOUBT
    return 1.0


def _passages(matches: Sequence[Match], abouts: Sequence[int]) -> Iterator[Passage]:
    """The passage that begins with each match."""
    for number, first in enumerate(matches):
        best: dict[str, Match] = {}
        end = first.end
        for match in matches[number:]:
            if match.start > first.start + REACH:
                break
            if match.weight > best.get(match.frame.topic, _NONE).weight:
                best[match.frame.topic] = match
                end = max(end, match.end)
        weight = sum(match.weight for match in best.values())
        if any(first.start - ABOUT_REACH <= at <= end + ABOUT_REACH for at in abouts):
            weight *= ABOUT
        frames = sorted(best.values(), key=lambda match: -match.weight)
        yield Passage(weight, tuple(match.frame for match in frames))


_NONE = Match(FRAMES[0], 0, 0, 0.0)
