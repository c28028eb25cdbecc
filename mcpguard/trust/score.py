"""What was observed of a caller or a server, as one number that anybody can compute again.

    score = clamp(start + sum of what each event moved, 0, ceiling of the level)

Whole numbers only. Every event is clamped as it comes, so good behaviour beyond the ceiling is not
saved up for an attack. With each UTC day the distance to the start shrinks by `DECAY`; what good
behaviour gains in a day, and what ordinary failures cost in one, is bounded. So the order of events
counts in three ways and no other: at 0 and at the ceiling, at a day's bounds, and by their days.
"""

from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum
from operator import add
from typing import Final, NamedTuple

from mcpguard.model import Held, Tier

__all__ = [
    "DAILY_GAIN",
    "DAILY_LOSS",
    "DAY",
    "DECAY",
    "EFFECTS",
    "LEVELS",
    "MATRIX",
    "MAX_SCORE",
    "RECENT",
    "STANDINGS",
    "Access",
    "Dimension",
    "Effect",
    "Event",
    "Moved",
    "Range",
    "Standing",
    "access",
    "effective",
    "explain",
    "word",
]

MAX_SCORE = 1000
"""Points. The scale of the score and of each dimension begins at 0."""

DAY = 86_400
"""Seconds. A day is one of UTC, counted from 1970: two machines agree where it begins."""

DAILY_GAIN = 50
"""Points a day. An enrolled caller needs two good days before it may do what 600 asks for."""

DAILY_LOSS = 150
"""Points a day that failures and time-outs cost at most, attacks apart: a server that breaks for an
afternoon stays above the default threshold of 300, one that stays broken falls below it."""

DECAY = 16
"""The distance to the start shrinks by this part of itself every day, rounded up: half of it is
gone after eleven days. What was lost to one attack stops denying the default after a week."""

RECENT = 50
"""Events a standing remembers to explain itself: a screenful."""


class Range(NamedTuple):
    """Where the score of a level begins, and where it ends."""

    start: int
    ceiling: int


LEVELS: Final[tuple[Range, ...]] = (
    Range(200, 299),
    Range(500, 799),
    Range(600, 899),
    Range(700, 949),
    Range(800, MAX_SCORE),
)
"""By level 0-4. What was proved bounds what can be earned."""

STANDINGS: Final[tuple[tuple[int, str], ...]] = (
    (900, "verified_partner"),
    (700, "trusted"),
    (500, "standard"),
    (300, "probationary"),
    (0, "untrusted"),
)
"""Least score, and the word for it."""


class Dimension(StrEnum):
    """Five views of the same events, 0-1000 each, from `MIDDLE`. The score is not made of them."""

    COMPETENCE = "competence"
    INTEGRITY = "integrity"
    AVAILABILITY = "availability"
    PREDICTABILITY = "predictability"
    TRANSPARENCY = "transparency"


MIDDLE = 500
"""Points. Where every dimension begins, whatever the level, and decays to."""


class Event(StrEnum):
    """What can be observed of a caller or a server. An ordinary denial is not among it."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    DRIFT = "drift"
    FORGERY = "forgery"
    EVASION = "evasion"
    SCANNER = "scanner"
    REVIEWED = "reviewed"
    RESET = "reset"


class Effect(NamedTuple):
    """What an event does: points to the score, points to dimensions.

    `attack`: no bound of a day holds it back. `renews`: a score below the start begins there anew.
    `resets`: any score does, though what a day still bounds stays bounded.
    """

    delta: int
    dimensions: Mapping[Dimension, int]
    attack: bool = False
    renews: bool = False
    resets: bool = False


EFFECTS: Final[Mapping[Event, Effect]] = {
    Event.SUCCESS: Effect(10, {Dimension.COMPETENCE: 10}),
    Event.PARTIAL: Effect(5, {Dimension.COMPETENCE: 5, Dimension.PREDICTABILITY: -5}),
    Event.FAILURE: Effect(-20, {Dimension.INTEGRITY: -20}),
    Event.TIMEOUT: Effect(-10, {Dimension.AVAILABILITY: -10}),
    Event.DRIFT: Effect(-300, {Dimension.PREDICTABILITY: -300}, attack=True),
    Event.FORGERY: Effect(-300, {Dimension.INTEGRITY: -300}, attack=True),
    Event.EVASION: Effect(
        -300, {Dimension.TRANSPARENCY: -300, Dimension.INTEGRITY: -100}, attack=True
    ),
    Event.SCANNER: Effect(-100, {Dimension.TRANSPARENCY: -100}, attack=True),
    Event.REVIEWED: Effect(0, {}, renews=True),
    Event.RESET: Effect(0, {}, resets=True),
}
"""Every event there is. Rises slowly, falls at once; a person's new review begins anew."""

_UNMOVED = (MIDDLE,) * len(Dimension)
_MOVES: Final[Mapping[Event, tuple[int, ...]]] = {
    event: tuple(effect.dimensions.get(name, 0) for name in Dimension)
    for event, effect in EFFECTS.items()
}
"""The dimensions of `EFFECTS` in their order."""


class Moved(NamedTuple):
    """One event of a standing.

    `at`: Unix seconds. `delta`: what it really moved. `about`: of what (a tool's name), or empty.
    """

    at: int
    event: Event
    delta: int
    about: str = ""


class Standing(NamedTuple):
    """A score, how it came to be, and what is left of its day. A value: `after` gives the next one.

    `dimensions`: in the order of `Dimension`. `day`: UTC days since 1970 up to which it is decayed;
    -1: nothing was observed yet. `gained`, `lost`: of that day's bounds. `events`: how many counted
    in all. `recent`: the last `RECENT` of them that moved the score, oldest first.
    """

    level: int
    score: int
    dimensions: tuple[int, ...] = _UNMOVED
    day: int = -1
    gained: int = 0
    lost: int = 0
    events: int = 0
    recent: tuple[Moved, ...] = ()

    @classmethod
    def new(cls, level: int) -> "Standing":
        """Of somebody nothing was observed of. Raises IndexError for a level outside 0-4."""
        return cls(level, _range(level).start)

    def at(self, now: int) -> "Standing":
        """Decayed up to `now` (Unix seconds). A time before the last one changes nothing."""
        day = now // DAY
        if day <= self.day:
            return self
        if self.day < 0:
            return self._replace(day=day)
        days, start = day - self.day, LEVELS[self.level].start
        return self._replace(
            score=_decayed(self.score, start, days),
            dimensions=tuple(_decayed(each, MIDDLE, days) for each in self.dimensions),
            day=day,
            gained=0,
            lost=0,
        )

    def after(self, event: Event, now: int, about: str = "") -> "Standing":
        """With `event` at `now` (Unix seconds); `about`: what it was about, for `explain`."""
        held, effect = self.at(now), EFFECTS[event]
        delta = _bounded(held, effect)
        limits = LEVELS[held.level]
        base = _base(held.score, limits.start, effect)
        score = min(max(base + delta, 0), limits.ceiling)
        moved = Moved(now, event, score - held.score, about)
        return Standing(
            held.level,
            score,
            _projected(held.dimensions, event),
            held.day,
            held.gained + max(delta, 0),
            held.lost - (0 if effect.attack else min(delta, 0)),
            held.events + 1,
            (*held.recent, moved)[-RECENT:] if moved.delta else held.recent,
        )

    def repeated(self, event: Event, now: int, about: str, count: int) -> "Standing":
        """With `event` `count` times. As `after` so often, in at most some hundred steps."""
        held = self
        for done in range(count):
            after = held.after(event, now, about)
            if after == held._replace(events=after.events):  # and so will all the others be
                return after._replace(events=after.events + count - done - 1)
            held = after
        return held

    def on_level(self, level: int) -> "Standing":
        """The same observations on another level: as far from its start, within its ceiling."""
        if level == self.level:
            return self
        start, ceiling = _range(level)
        score = self.score - LEVELS[self.level].start + start
        return self._replace(level=level, score=min(max(score, 0), ceiling))

    @property
    def held(self) -> Held:
        """What the trust stage asks for."""
        return Held(self.level, self.score)


def _base(score: int, start: int, effect: Effect) -> int:
    """Where an effect begins to count."""
    if effect.resets:
        return start
    return max(score, start) if effect.renews else score


def _bounded(held: Standing, effect: Effect) -> int:
    """What the day leaves of an effect. Counted before the clamps, so alike on every level."""
    if effect.attack:
        return effect.delta
    return max(min(effect.delta, DAILY_GAIN - held.gained), held.lost - DAILY_LOSS)


def _projected(dimensions: tuple[int, ...], event: Event) -> tuple[int, ...]:
    if EFFECTS[event].resets:
        return _UNMOVED
    if EFFECTS[event].renews:
        return tuple([max(each, MIDDLE) for each in dimensions])
    moved = map(add, dimensions, _MOVES[event])
    return tuple([0 if each < 0 else min(each, MAX_SCORE) for each in moved])


def _range(level: int) -> Range:
    if level < 0:
        raise IndexError(f"there is no level {level}")
    return LEVELS[level]


def _decayed(value: int, towards: int, days: int) -> int:
    """`value` after `days`: nearer to `towards`, at the latest there after `MAX_SCORE` steps."""
    for _ in range(min(days, MAX_SCORE)):
        distance = value - towards
        if not distance:
            break
        step = -(-abs(distance) // DECAY)
        value -= step if distance > 0 else -step
    return value


def explain(standing: Standing) -> tuple[Moved, ...]:
    """The events that made the score, newest first, at most `RECENT`."""
    return standing.recent[::-1]


def word(score: int) -> str:
    """The name of a score: `STANDINGS`."""
    return next(name for least, name in STANDINGS if score >= least)


def effective(held: Iterable[Held]) -> Held:
    """The least of each of caller, server and every delegator; of nobody: nothing."""
    level, score = len(LEVELS), MAX_SCORE + 1
    for each in held:
        if each.level < level:  # noqa: PLR1730 - on every call's way: half of what min() takes
            level = each.level
        if each.score < score:  # noqa: PLR1730 - likewise
            score = each.score
    return _NOTHING if score > MAX_SCORE else _made(Held, (level, score, "the caller"))


_NOTHING = Held(0, 0)

_made = tuple.__new__
"""A named tuple of a tuple, without the Python frame of its own constructor."""


class Access(Enum):
    """What the matrix says of a call."""

    DENY = "deny"
    APPROVE = "approve"
    ALLOW = "allow"


_BANDS = (300, 600, 800)
"""Scores at which the matrix' next column begins."""

_NO, _ASK, _YES = Access.DENY, Access.APPROVE, Access.ALLOW

MATRIX: Final[Mapping[Tier, tuple[Access, Access, Access, Access]]] = {
    #              0     300   600   800
    Tier.OBSERVE: (_YES, _YES, _YES, _YES),
    Tier.PREPARE: (_ASK, _YES, _YES, _YES),
    Tier.ACT: (_NO, _ASK, _YES, _YES),
    Tier.COMMIT: (_NO, _NO, _ASK, _ASK),
}
"""A tier's row, by the score's band. What cannot be undone always asks a person."""


def access(tier: Tier, score: int) -> Access:
    """What `MATRIX` says of a tool of `tier` at an effective `score`."""
    return MATRIX[tier][sum(score >= least for least in _BANDS)]
