"""Names of packages that are easily taken for a well-known server's: typing errors, lost scopes.

Whoever asks for one of these runs code of somebody else. The names are facts of the two registries,
written down on the day this was written; a name that is not here is not judged.
"""

from functools import cache
from typing import Final

__all__ = ["known", "meant"]

_NPM: Final = """
    @modelcontextprotocol/server-filesystem @modelcontextprotocol/server-memory
    @modelcontextprotocol/server-everything @modelcontextprotocol/server-sequential-thinking
    @modelcontextprotocol/server-github @modelcontextprotocol/server-gitlab
    @modelcontextprotocol/server-google-maps @modelcontextprotocol/server-slack
    @modelcontextprotocol/server-postgres @modelcontextprotocol/server-puppeteer
    @modelcontextprotocol/server-brave-search @modelcontextprotocol/server-gdrive
    @modelcontextprotocol/server-redis @modelcontextprotocol/inspector @playwright/mcp
    @upstash/context7-mcp @notionhq/notion-mcp-server @supabase/mcp-server-supabase
    @browsermcp/mcp @sentry/mcp-server @stripe/mcp @azure/mcp @hubspot/mcp-server
    @circleci/mcp-server-circleci @cloudflare/mcp-server-cloudflare
    @elastic/mcp-server-elasticsearch @wonderwhy-er/desktop-commander mcp-remote firecrawl-mcp
    tavily-mcp exa-mcp-server figma-developer-mcp n8n-mcp mongodb-mcp-server chrome-devtools-mcp
"""
_PYTHON: Final = """
    mcp-server-fetch mcp-server-git mcp-server-time mcp-server-sqlite mcp-server-motherduck
    fastmcp mcp-proxy mcp-atlassian blender-mcp duckduckgo-mcp-server arxiv-mcp-server
    excel-mcp-server office-powerpoint-mcp-server redis-mcp-server markitdown-mcp basic-memory
"""

_REGISTRIES: Final = {False: "npm", True: "PyPI"}

_FOR_PYTHON: Final = frozenset({"uv", "uvx", "pipx", "pip", "pip3", "python", "python3", "py"})

_SHORTEST: Final = 7
"""Letters and digits. Shorter names differ by a letter by chance."""

_PLAIN: Final = frozenset({"mcp", "server", "inspector"})
"""Words that are in the name of every server: what is left of a name says which one it is."""


def meant(asked: str, launcher: str) -> str:
    """The well-known package that one (`name@1.2`, `name[extra]==1`) may be a slip for; or empty.

    `launcher`: what fetches it, which says from which of the registries.

    That is one letter more, less, other or swapped; the same words in another order or with other
    marks between; or the name without its scope. A well-known name is meant itself. A name of the
    other registry, which is then named, is meant where a letter makes one of the other: who takes
    `npx` for `uvx` mistypes as others do.
    """
    said = _bare(asked.strip().lower())
    python = launcher.partition(" ")[0] in _FOR_PYTHON
    if said in known(python) or (python and _letters(said) in map(_letters, known(python))):
        return ""  # Python's names are the same with `-`, `_` and `.` (PEP 503)
    for other in known(python):
        if _near(_letters(said), _letters(other)) or _alike(said, other):
            return other
    if said in known(not python):
        return ""
    elsewhere = (each for each in known(not python) if _near(_letters(said), _letters(each)))
    return next((f"{each} of {_REGISTRIES[not python]}" for each in elsewhere), "")


def _bare(asked: str) -> str:
    """The name without version and extras."""
    ends = (at for at in range(1, len(asked)) if asked[at] in _ENDS)
    return asked[: next(ends, len(asked))]


_ENDS: Final = frozenset("@=<>~![; ")


@cache
def known(python: bool) -> tuple[str, ...]:
    """Every well-known name of a registry: Python's, or npm's."""
    return tuple((_PYTHON if python else _NPM).split())


def _letters(name: str) -> str:
    return "".join(each for each in name if each.isalnum())


def _alike(name: str, other: str) -> bool:
    """Whether the words are the same, in any order, or all that the other has behind its scope."""
    if name.startswith("@") and other.startswith("@"):
        return False
    bare = other.rpartition("/")[2]
    words, wanted = _words(name), _words(bare)
    telling = bool(set(wanted) - _PLAIN)
    return telling and (words == wanted or words == _words(other))


def _words(name: str) -> list[str]:
    kept = "".join(each if each.isalnum() else " " for each in name)
    return sorted(kept.split())


def _near(one: str, other: str) -> bool:
    """Whether one letter more, less, other, or two swapped, make one of the other."""
    if min(len(one), len(other)) < _SHORTEST or abs(len(one) - len(other)) > 1:
        return False
    head = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)
    if head < 0:
        return len(one) != len(other)
    rest, tail = one[head:], other[head:]
    swapped = rest[:2] == tail[1::-1] and rest[2:] == tail[2:]
    return rest[1:] == tail[1:] or rest[1:] == tail or rest == tail[1:] or swapped
