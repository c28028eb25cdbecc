"""What a detector is made of, and what it says: rules over meanings, rules over text, signals."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from mcpguard.model import Severity

if TYPE_CHECKING:
    from mcpguard.scan.threats.definition import View
    from mcpguard.scan.threats.lexicon import Reading
    from mcpguard.scan.threats.score import Placed

__all__ = [
    "ASKED",
    "DEFINED",
    "SAID",
    "TOLD",
    "VALUES",
    "Likeness",
    "Meaning",
    "Part",
    "Signal",
    "Structure",
    "Text",
    "Threat",
    "ThreatDetector",
]


class Threat(StrEnum):
    """The six ways in which what a server says can work against its user."""

    TOOL_POISONING = "tool_poisoning"
    RUG_PULL = "rug_pull"
    CROSS_SERVER_ATTACK = "cross_server_attack"
    CONFUSED_DEPUTY = "confused_deputy"
    HIDDEN_INSTRUCTION = "hidden_instruction"
    DESCRIPTION_INJECTION = "description_injection"


class Part(StrEnum):
    """Where in a definition a text stands."""

    NAME = "name"
    PROSE = "prose"
    ARGUMENT = "argument"
    VALUE = "value"
    INSTRUCTIONS = "instructions"
    OUTPUT = "output"


class Signal(NamedTuple):
    """One reason to doubt a text.

    `where`: JSON pointer of the text. `start`, `end`: characters of the original. `shown`: what a
    person cannot see there; empty when everything is in sight.
    """

    rule: str
    weight: float
    where: str
    start: int
    end: int
    message: str
    shown: str = ""


SAID = frozenset({Part.PROSE, Part.ARGUMENT, Part.VALUE, Part.INSTRUCTIONS, Part.OUTPUT})
"""Everything but names."""

DEFINED = SAID - {Part.OUTPUT}
"""What a server says of its tools, and not what the tools bring."""


TOLD = frozenset({Part.PROSE, Part.INSTRUCTIONS})
"""What is said of a tool or a server as a whole."""

ASKED = frozenset({Part.ARGUMENT})
"""What is said of arguments."""

VALUES = frozenset({Part.VALUE})
"""What a schema offers or fills in."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Words that together mean something, in any of the languages of the lexicon.

    `forms`: each a sequence of concepts (`A|B` either, `~` up to three others between, `~~` up to
    eight, `/` where a sentence may end). `alien`: it counts only where neither the name nor the
    first words of the description speak of any of these (`A|B`): what a tool is about, it may ask
    for. `deniable`: it weighs half where the words before say not to.
    """

    id: str
    weight: float
    message: str
    forms: tuple[str, ...]
    parts: frozenset[Part] = DEFINED
    alien: str = ""
    deniable: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """RE2 patterns over the reading of a text, upper and lower case alike."""

    id: str
    weight: float
    message: str
    patterns: tuple[str, ...]
    parts: frozenset[Part] = DEFINED


@dataclass(frozen=True, slots=True)
class Structure:
    """What no single text shows: names, hidden characters, pairs, other servers."""

    ids: tuple[str, ...]
    judge: Callable[["View"], Iterable[Signal]]


@dataclass(frozen=True, slots=True)
class Likeness:
    """What was learned from examples: how much a sentence reads like those that steer a model.

    `judge`: of a definition and its reading, the signals and where in `View.text` they stand.
    """

    ids: tuple[str, ...]
    judge: Callable[["View", "Reading"], Iterable["Placed"]]


@dataclass(frozen=True, slots=True, eq=False)
class ThreatDetector:
    """One threat.

    `owasp`: the entry of the OWASP MCP Top 10 (2025); `agentic`: of the OWASP Top 10 for Agentic
    Applications (2026); `atlas`: the MITRE ATLAS technique. `fix`: what a person does next.
    """

    id: str
    threat: Threat
    severity: Severity
    owasp: str
    agentic: str
    atlas: str
    explanation: str
    fix: str
    meanings: tuple[Meaning, ...] = ()
    texts: tuple[Text, ...] = ()
    structure: Structure | None = None
    likeness: Likeness | None = None

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of its rules, which signals carry."""
        meanings = tuple(each.id for each in self.meanings)
        texts = tuple(each.id for each in self.texts)
        others = (each.ids for each in (self.structure, self.likeness) if each)
        return (*meanings, *texts, *chain.from_iterable(others))
