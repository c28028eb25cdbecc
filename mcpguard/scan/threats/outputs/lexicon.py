"""Words by what they do in an instruction to a model: language by language, one table of senses.

A frame (`frames`) speaks of senses only, so a language is added by adding its words (`words`).
"""

from enum import IntFlag, auto
from functools import cache

from mcpguard.scan.threats.outputs.unspaced import SPACELESS
from mcpguard.scan.threats.words.orders import SPACED

__all__ = ["Sense", "entries", "phrases", "spaceless", "words"]


class Sense(IntFlag):
    """What a word can be in an instruction. A word may have several senses."""

    EDGE = auto()
    STOP = auto()
    MARKUP = auto()
    IMAGE = auto()
    BEACON = auto()
    COMMA = auto()
    COLON = auto()
    HASH = auto()
    COMMENT = auto()
    LEAD = auto()
    MUST = auto()
    MAIL = auto()
    LINK = auto()
    VOID = auto()
    VOIDED = auto()
    PRIOR = auto()
    ALL = auto()
    YOU = auto()
    YOUR = auto()
    RULES = auto()
    SOFT_RULES = auto()
    SYSTEM = auto()
    PROMPT = auto()
    MODEL = auto()
    USER = auto()
    ANYONE = auto()
    NOT = auto()
    WITHOUT = auto()
    TELL = auto()
    LEAK = auto()
    HIDDEN = auto()
    VERBATIM = auto()
    FOLLOW = auto()
    YOU_NOW = auto()
    UNBOUND = auto()
    RESTRICT = auto()
    ENABLE = auto()
    SPECIAL_MODE = auto()
    ANSWER = auto()
    REQUESTS = auto()
    GRANT = auto()
    ADMIN = auto()
    SWITCH = auto()
    ONWARD = auto()
    BEFORE = auto()
    INSTEAD = auto()
    AUTHORITY = auto()
    NOTE = auto()
    HEADER = auto()
    URGENT = auto()
    ROLE = auto()
    CALLING = auto()
    READING = auto()
    IF_YOU_ARE = auto()
    SEND = auto()
    CALL = auto()
    ACT = auto()
    TOOL = auto()
    SECRET = auto()
    DATA = auto()
    PERSONAL = auto()
    OUTSIDE = auto()
    SPOT = auto()
    TODO = auto()
    ADD = auto()
    ADDED = auto()
    REPLY = auto()
    FUTURE = auto()
    REMEMBER = auto()
    MEMORY = auto()
    WHEN_YOU = auto()
    SUMMARISE = auto()
    DECODE = auto()
    OBEY_IT = auto()
    ENTER = auto()
    SEED = auto()
    PERSON_CLAIM = auto()
    GIVEN = auto()
    END_OF = auto()
    INPUT = auto()
    ABOUT = auto()
    MENTION = auto()
    REQUIRED = auto()
    OWNER_CLAIM = auto()
    MAY = auto()
    ASIDE = auto()
    INTENDED = auto()
    MODEL_REPLY = auto()
    ENDING = auto()
    AND = auto()
    ASKED = auto()
    SAY = auto()
    GAVE = auto()
    CANCELLED = auto()
    SAFETY = auto()
    UNNOTICED = auto()
    KNOW = auto()
    AGENT = auto()
    STYLED = auto()
    SILENT = auto()
    ALLOWED = auto()
    PURPOSE = auto()
    ORDER = auto()
    TELL_LAST = auto()
    OFF = auto()
    ARTICLE = auto()
    TOWARD = auto()
    NOTE_TO = auto()
    OFFICE = auto()
    NEW_TASK = auto()
    GET = auto()
    FULLY = auto()
    TO = auto()


def entries() -> tuple[tuple[str, int], ...]:
    """Every word, or phrase with `+` between its words, with each of its senses."""
    return tuple(
        (word.replace("'", "+").strip("+"), int(Sense[sense]))
        for sense, text in SPACED.items()
        for word in text.split()
    )


@cache
def words() -> dict[str, int]:
    """Folded word -> its senses. Words that only begin phrases have none, but are there."""
    table: dict[str, int] = {
        "\x01": Sense.EDGE,
        "\x0e": Sense.STOP,
        "\x0f1": Sense.MARKUP,
        "\x0f2": Sense.IMAGE,
        "\x0f4": Sense.STYLED,
        "\x0f3": Sense.BEACON | Sense.LINK,
        "\x02": Sense.COMMA,
        "\x03": Sense.COLON,
        "\x04": Sense.HASH,
        "@": Sense.MAIL,
        "http": Sense.LINK,
        "https": Sense.LINK,
        "www": Sense.LINK,
        "//": Sense.COMMENT,
        "///": Sense.COMMENT,
        "--": Sense.COMMENT,
        "%": Sense.COMMENT,
        "..": Sense.COMMENT,
        "/": Sense.COMMENT,
    }
    for word, sense in entries():
        if "+" not in word:
            table[word] = int(table.get(word, 0)) | sense
    for number, (_, sense) in enumerate(spaceless()):
        table[f"\x05{number}"] = int(sense)
    return {word: int(sense) for word, sense in table.items()}


@cache
def phrases() -> dict[str, list[tuple[tuple[str, ...], int]]]:
    """First word -> the rest of each phrase and its senses, longest first."""
    made: dict[str, dict[tuple[str, ...], int]] = {}
    for entry, sense in entries():
        first, *rest = entry.split("+")
        if rest:
            ends = made.setdefault(first, {})
            ends[tuple(rest)] = ends.get(tuple(rest), 0) | sense
    return {
        first: sorted(ends.items(), key=lambda each: -len(each[0])) for first, ends in made.items()
    }


@cache
def spaceless() -> tuple[tuple[str, int], ...]:
    """Terms of languages written without spaces, longest first, with their senses."""
    made: dict[str, int] = {}
    for sense, text in SPACELESS.items():
        for term in text.split():
            made[term] = made.get(term, 0) | int(Sense[sense])
    return tuple(sorted(made.items(), key=lambda each: (-len(each[0]), each[0])))
