"""Where a text stands in a tool's arguments, and what a detector says about it.

`rm -rf /` in a message is prose; in `command` it is an order. What an argument is used for shows in
its property name and its schema's `format`, so each text comes with its `Site`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from mcpguard.model import Severity
from mcpguard.scan.needles import Meter

__all__ = ["ROLES", "Detector", "Role", "Site", "Span", "role_of"]


class Role(StrEnum):
    """What a text is used for, as far as its name and format tell."""

    COMMAND = "command"
    PATH = "path"
    TEXT = "text"
    UNKNOWN = "unknown"
    URL = "url"
    WORD = "word"


ROLES = frozenset(Role)


class Site(NamedTuple):
    """The nearest property name above a text (empty at the top) and what it is used for.

    `meter`: what looking at the text is counted on.
    """

    name: str
    role: Role
    meter: Meter


class Span(NamedTuple):
    """Characters `start` to `end` (exclusive) of a text, and the placeholder's type."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """One threat. `spans` is total, linear in the text, and says what is where.

    `needles`: RE2 patterns, one of which occurs in every text that has a span, or in its property
    name; a text without any is never given to `spans`. They hold no anchors: several texts are
    searched as one.
    `blocking`: ordinary arguments do not fire it, so a hit is reason enough to deny.
    `reference`: the entry of the OWASP MCP Top 10 (2025) that it answers.
    `roles`: where it finds something; texts with other roles are never given to `spans`.
    `for_paths`: stands in its place where a path is asked for, under the same id, with needles that
    ordinary paths do not hold. What has a span there has one of `needles` as well.
    """

    id: str
    finds: str
    severity: Severity
    reference: str
    needles: tuple[str, ...]
    spans: Callable[[str, Site], Iterable[Span]]
    blocking: bool = True
    roles: frozenset[Role] = ROLES
    for_paths: "Detector | None" = None


_COMMAND = "arg args arguments argv cmd cmdline command commandline commands exec shell"
_PATH = (
    "cwd dest destination dir directories directory dirname file filename filenames filepath files"
    " folder outfile path paths root source src workdir workspace"
)
_URL = (
    "callback domain endpoint homepage host hostname href ip link origin proxy server uri uris url"
    " urls webhook website"
)
_TEXT = (
    "answer blocks body caption code comment comments content contents context data description"
    " details diff edits expression facts formula html instruction instructions json keyword"
    " keywords label message messages markdown msg note notes observation observations patch"
    " pattern payload prompt query question reason regex regexp replacement script search snippet"
    " sql statement str string subject summary template term text thought title value xml yaml"
)
_WORD = (
    "account branch bucket column commit container database db email encoding extension format id"
    " ids image key language locale login module namespace owner package pid pod port ref region"
    " remote repo repository rev revision service session table tag timezone tz user username"
    " version zone"
)
_ROLES = {
    word: role
    for role, words in (
        (Role.COMMAND, _COMMAND),
        (Role.PATH, _PATH),
        (Role.URL, _URL),
        (Role.TEXT, _TEXT),
        (Role.WORD, _WORD),
    )
    for word in words.split()
}
"""The last word of a property name (`outputPath`, `base_url`) -> what its text is used for."""

_ENDS = (
    (("path", "paths", "file", "files", "dir", "dirs"), Role.PATH),
    (("url", "urls", "uri", "uris", "host", "hosts"), Role.URL),
)
"""What a word that is not in the table may end with: `basepath`, `rootdir`, `apiurl`."""

_NAMING = frozenset({"name", "names"})
"""What says nothing behind another word: a `branch_name` is a branch."""

_FORMATS = {
    "date": Role.WORD,
    "date-time": Role.WORD,
    "directory-path": Role.PATH,
    "email": Role.WORD,
    "file-path": Role.PATH,
    "hostname": Role.URL,
    "ipv4": Role.URL,
    "ipv6": Role.URL,
    "iri": Role.URL,
    "path": Role.PATH,
    "uri": Role.URL,
    "uri-reference": Role.URL,
    "url": Role.URL,
    "uuid": Role.WORD,
}
"""JSON Schema 2020-12 validation, section 7, and the path formats that tool authors use."""


@lru_cache(maxsize=1024)
def role_of(name: str, form: str = "") -> Role:
    """What a property is used for: its schema's `format` before the last word of its name."""
    if form in _FORMATS:
        return _FORMATS[form]
    words = _words(name[-64:])
    if len(words) > 1 and words[-1] in _NAMING:
        words.pop()
    if not words:
        return Role.UNKNOWN
    known = _ROLES.get(words[-1]) or _ROLES.get(words[-1].removesuffix("s"))
    return known or next((role for ends, role in _ENDS if words[-1].endswith(ends)), Role.UNKNOWN)


def _words(name: str) -> list[str]:
    """`outputPath`, `output_path` and `OUTPUT-PATH2` -> output, path."""
    kept = "".join(letter if letter.isalpha() else " " for letter in name)
    if not kept.isupper():
        pairs = zip(" " + kept, kept, strict=False)
        kept = "".join(f" {b}" if b.isupper() and a.islower() else b for a, b in pairs)
    return kept.lower().split()
