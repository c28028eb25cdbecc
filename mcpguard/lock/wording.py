"""How a difference is put into words: one `Change` each, with whatever a server wrote made visible.

Only loaded when something differs.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType

import orjson

from mcpguard.model import Json, Severity
from mcpguard.wire import exact

__all__ = ["RULES", "SHOWN", "Change", "changed", "named", "quoted", "shown", "text_changes"]

SHOWN = 240
"""Characters of a server's text in one sentence; what was cut off is counted."""

NAME_SHOWN = 80
"""Characters of a name in a sentence."""

_MAX_SENTENCES = 400
"""Sentences a side that are matched with each other; comparing more takes quadratic time."""

RULES: Mapping[str, str] = MappingProxyType(
    {
        "drift.added": "The server lists something that was not reviewed.",
        "drift.missing": "The server no longer lists something that was reviewed.",
        "drift.renamed": "Something that was reviewed has another name now.",
        "drift.text": "A text that the model reads has changed.",
        "drift.argument-added": "There is a new argument.",
        "drift.argument-required": "An argument is required now that was not.",
        "drift.argument-removed": "An argument is gone.",
        "drift.widened": "More is accepted than was reviewed.",
        "drift.narrowed": "Less is accepted than was reviewed.",
        "drift.schema": "A schema has changed.",
        "drift.annotation": "An annotation has changed.",
        "drift.order": "The same entries are listed in another order.",
        "drift.key": "A part of a definition was added, removed or changed.",
        "drift.instructions": "The server's instructions to the model have changed.",
        "drift.server-info": "The server says something else about itself.",
        "drift.capability-added": "The server declares a capability that was not reviewed.",
        "drift.capability-missing": "The server no longer declares a capability.",
        "drift.unpinnable": "A definition cannot be written down exactly.",
        "lock.unchecked": "Arguments are not checked: the input schema does not compile.",
        "lock.look-alike": "Two names differ only by case.",
    }
)
"""Every rule of this room, with the sentence that SARIF shows for it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path` leads from the compared value to it; `text` ends the sentence."""

    rule: str
    severity: Severity
    path: tuple[str, ...]
    text: str
    before: Json = None
    after: Json = None


def named(name: str) -> str:
    """A server's name for something, made visible and short enough for a sentence."""
    return shown(name, NAME_SHOWN)


def shown(text: str, limit: int = SHOWN) -> str:
    """`text` with everything invisible or re-ordering as `<U+200B>`, white space as one blank.

    What is beyond `limit` characters is left out and counted.
    """
    # Cut first: what is dropped need not be looked at.
    visible = "".join(map(_visible, text[: 4 * limit]))
    rest = len(text) - 4 * limit
    if len(visible) <= limit and rest <= 0:
        return visible
    left_out = max(len(visible) - limit, 0) + max(rest, 0)
    return f"{visible[:limit]}... ({left_out} more characters)"


_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _visible(char: str) -> str:
    if char in "\n\t":
        return " "
    selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    blank = unicodedata.category(char) == "Zs" and char != " "
    if selector or blank or unicodedata.category(char) in _HIDDEN:
        return f"<U+{ord(char):04X}>"
    return char


def quoted(value: Json, limit: int = SHOWN) -> str:
    """`value` as a person reads it in a sentence: JSON, made visible, cut."""
    if isinstance(value, str):
        return f'"{shown(value, limit)}"'
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:
        written = exact.dumps_exact(value)
    return shown(written.decode(), limit)


def changed(rule: str, path: tuple[str, ...], what: str, before: Json, after: Json) -> Change:
    """The sentence of last resort: `what` changed from one value to another. Critical."""
    text = f"{what} changed from {quoted(before)} to {quoted(after)}"
    return Change(rule, Severity.CRITICAL, path, text, before, after)


def text_changes(
    path: tuple[str, ...], what: str, before: str, after: str, rule: str = "drift.text"
) -> list[Change]:
    """What a text now says, and what it no longer says, sentence by sentence. Always critical."""
    if before == after:
        return []
    gone, new = _difference(_sentences(before), _sentences(after))
    now, before_that = shown(" ".join(new)), shown(" ".join(gone))
    if new and gone:
        text = f'{what} now says: "{now}" instead of: "{before_that}"'
    elif new:
        text = f'{what} now {"also " if before else ""}says: "{now}"'
    elif gone:
        text = f'{what} no longer says: "{before_that}"'
    else:
        text = f"{what} has other spacing or another order of sentences"
    return [Change(rule, Severity.CRITICAL, path, text, before, after)]


def _sentences(text: str) -> list[str]:
    """Cut behind `.`, `!`, `?` and `;` before white space, and at line ends. One walk."""
    found, start = [], 0
    for index, char in enumerate(text):
        ends = char in ".!?;" and text[index + 1 : index + 2].isspace()
        if ends or char == "\n":
            found.append(text[start : index + 1].strip())
            start = index + 1
    found.append(text[start:].strip())
    return [each for each in found if each]


def _difference(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    if sorted(before) == sorted(after):
        return [], []
    if max(len(before), len(after)) > _MAX_SENTENCES:
        known, kept = set(before), set(after)
        return [e for e in before if e not in kept], [e for e in after if e not in known]
    gone: list[str] = []
    new: list[str] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, low, high, start, end in matcher.get_opcodes():
        if tag != "equal":
            gone += before[low:high]
            new += after[start:end]
    return gone, new
