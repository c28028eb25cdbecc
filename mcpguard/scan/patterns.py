"""Patterns that the operator writes: what no argument may hold, or what is taken out of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mcpguard.errors import UsageError
from mcpguard.scan.needles import Meter, Needles, compiled, encodable, matches
from mcpguard.scan.redact import placeholder

__all__ = ["MAX_PATTERN", "MAX_PATTERNS", "Action", "Form", "Pattern", "Patterns"]

MAX_PATTERN = 512
"""Characters of one pattern: it is compiled, and a person has to read it."""

MAX_PATTERNS = 200
"""Patterns of one configuration: each is looked for in every text."""

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


class Form(StrEnum):
    """How a pattern is written, and where it has to match.

    `substring`: anywhere, upper and lower case alike. `glob`: the whole text, upper and lower case
    alike; `*` any characters, `?` one, line ends included; nothing else is special. `re2`: RE2
    syntax, anywhere, case as written (`(?i)` for either).
    """

    SUBSTRING = "substring"
    GLOB = "glob"
    RE2 = "re2"


class Action(StrEnum):
    """What follows from a match."""

    DENY = "deny"
    REDACT = "redact"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One configured pattern; its hits' rule is `pattern:NAME`."""

    name: str
    form: Form
    text: str
    action: Action

    @property
    def rule(self) -> str:
        """The id that hits and findings carry."""
        return f"pattern:{self.name}"


@dataclass(frozen=True, slots=True)
class Patterns:
    """Compiled patterns, ready to be looked for."""

    rows: tuple[Pattern, ...]
    _sources: tuple[str, ...]
    _needles: Needles | None

    @classmethod
    def of(cls, rows: Iterable[Pattern], place: str = "patterns") -> "Patterns":
        """Compile `rows`; `place` is where they are configured, for the error.

        Raises:
            UsageError: one cannot be used; names its place, such as `gateway.patterns[2]`.
        """
        rows = tuple(rows)
        if len(rows) > MAX_PATTERNS:
            raise UsageError(f"{place}: {len(rows)} patterns, at most {MAX_PATTERNS}")
        names: set[str] = set()
        made = []
        for number, row in enumerate(rows):
            here = f"{place}[{number}]"
            if row.name in names:
                raise UsageError(f"{here}: the name {row.name!r} is there twice")
            names.add(row.name)
            made.append(_checked(row, here))
        return cls(rows, tuple(made), Needles(made) if made else None)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def spans(self, text: str, meter: Meter) -> Iterator[tuple[int, int, str, str]]:
        """Start, end, rule and placeholder type of each match in `text`. Raises ScanError."""
        if self._needles is None:
            return
        text = encodable(text)
        for number in self._needles.within(text):
            row = self.rows[number]
            for start, end, *_ in matches(self._sources[number], text, meter):
                if start < end:
                    yield start, end, row.rule, _KIND

    def actions(self) -> Mapping[str, Action]:
        """Rule -> what follows from its hits."""
        return {row.rule: row.action for row in self.rows}


_KIND = "pattern"


def _checked(row: Pattern, here: str) -> str:
    """The RE2 source of `row`. Raises UsageError."""
    if not row.name or not set(row.name) <= _NAME:
        raise UsageError(f"{here}: a name has lower-case letters, digits, - and _ only")
    if not row.text or len(row.text) > MAX_PATTERN:
        raise UsageError(f"{here}: the pattern has {len(row.text)} characters, 1 to {MAX_PATTERN}")
    source = _source(row)
    try:
        regex = compiled(source)
    except ValueError as error:
        hint = "RE2 has no look-around and no back-references"
        raise UsageError(f"{here}: {error}", hint=hint) from error
    if regex.search("") is not None and row.form is not Form.GLOB:
        raise UsageError(f"{here}: it matches an empty text, so it would match everything")
    if row.action is Action.REDACT and regex.search(placeholder(_KIND)) is not None:
        raise UsageError(f"{here}: it matches {placeholder(_KIND)}, which is put in its place")
    return source


def _source(row: Pattern) -> str:
    match row.form:
        case Form.SUBSTRING:
            return f"(?i){_quoted(row.text)}"
        case Form.GLOB:
            return rf"(?is)\A{''.join(map(_glob, row.text))}\z"
        case Form.RE2:
            return row.text


def _glob(letter: str) -> str:
    return {"*": ".*", "?": "."}.get(letter) or _quoted(letter)


def _quoted(text: str) -> str:
    """RE2's escapes; `re2.escape` would refuse half a surrogate pair."""
    return "".join(
        letter if letter.isalnum() or letter in "_ " else rf"\x{{{ord(letter):x}}}"
        for letter in text
    )
