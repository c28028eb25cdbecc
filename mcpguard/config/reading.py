"""The text of one `mcpguard.yaml` in, its values with their places out; strict, all errors at once.

Every key is a row of `rows.ROWS` or an error with its place and the nearest valid key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Final

from mcpguard.config.rows import PER_SERVER, ROWS, TREE, Held, Path, Row, Step, Tree, Values
from mcpguard.errors import IdentityError, PolicyError
from mcpguard.policy.document import Node, nearest, read
from mcpguard.scan import DETECTORS
from mcpguard.trust.policy import MAX_GLOB

__all__ = ["Document", "read_document"]

MAX_NAME = 256
"""Characters of a principal's, a tool's or a server's name."""

_SERVERS: Final = "servers"
_PROFILE: Final = "local:"
_PREFIXES: Final = (_PROFILE, "did:")


@dataclass(slots=True)
class Document:
    """What one file says: for all servers, for some by name, and everything that is wrong."""

    values: Values = field(default_factory=dict)
    servers: dict[str, Values] = field(default_factory=dict)
    problems: list[PolicyError] = field(default_factory=list)


def read_document(
    text: str, source: str, origin: Callable[[Node], str], *, system: bool = False
) -> Document:
    """What `text` says. `source`: what errors call it. `origin`: what a value's node is said to be.

    `system`: it may only tighten, so keys that cannot are among the problems.
    """
    document = Document()
    try:
        root = read(text, source)
    except PolicyError as error:
        document.problems.append(error)
        return document
    if root.value is None:
        return document
    reader = _Reader(document.problems, origin, system=system)
    tops: Tree = {**TREE, _SERVERS: {}}
    for key, node in reader.children(root, tops, ()).items():
        if key == _SERVERS:
            document.servers = reader.servers(node)
        else:
            reader.below(node, TREE[key], (key,), document.values)
    document.problems.sort(key=lambda error: (error.line, error.column))
    return document


class _Reader:
    """One walk over a document; goes on after an error."""

    def __init__(
        self, problems: list[PolicyError], origin: Callable[[Node], str], *, system: bool
    ) -> None:
        self._problems = problems
        self._origin = origin
        self._system = system

    def servers(self, node: Node) -> dict[str, Values]:
        """The sections of `servers`, each with the keys that a server's may have."""
        tree: Tree = {key: TREE[key] for key in PER_SERVER}
        made: dict[str, Values] = {}
        for name, section in self.children(node, {"*": {}}, (_SERVERS,)).items():
            made[name] = {}
            for key, each in self.children(section, tree, (_SERVERS, name)).items():
                self.below(each, tree[key], (key,), made[name])
        return made

    def below(self, node: Node, at: Step, path: Path, into: Values) -> None:
        """Everything in `node` that stands under `path`."""
        if isinstance(at, Row):
            self._row(node, at, path, into)
            return
        for key, child in self.children(node, at, path).items():
            self.below(child, at["*"] if "*" in at else at[key], (*path, key), into)

    def children(self, node: Node, tree: Tree, path: Path) -> dict[str, Node]:
        """The entries of a mapping whose keys can stand there."""
        try:
            table = node.items()
            if not table and path:
                raise node.error("the mapping is empty, so it says nothing", hint="leave it out")
        except PolicyError as error:
            self._problems.append(error)
            return {}
        kept: dict[str, Node] = {}
        for key, child in table.items():
            try:
                _check_key(node, key, child, tree, path)
                if self._system and path == ("principals",) and key.startswith(_PROFILE):
                    what = "a profile is the user's own choice, so blocking one stops nobody"
                    raise node.error(what, hint="block tools, or a DID", at=node.keys[key])
            except PolicyError as error:
                self._problems.append(error)
            else:
                kept[key] = child
        return kept

    def _row(self, node: Node, row: Row, path: Path, into: Values) -> None:
        try:
            if self._system and not row.tightens:
                raise node.error(
                    f"`{'.'.join(row.path)}` cannot be tightened, so the system's file has no say",
                    hint="leave it to the user's file",
                )
            into[path] = self._held(node, row)
        except PolicyError as error:
            self._problems.append(error)

    def _held(self, node: Node, row: Row) -> tuple[Held, ...]:
        if not row.many:
            return (self._one(node, row),)
        held: list[Held] = []
        for each in node.sequence(row.many):
            try:
                held.append(self._one(each, row))
            except PolicyError as error:
                self._problems.append(error)
        return tuple(held)

    def _one(self, node: Node, row: Row) -> Held:
        return Held(row.item(node), node.plain(), self._origin(node), node)


def _check_key(node: Node, key: str, child: Node, tree: Tree, path: Path) -> None:
    """Raises PolicyError at `key` when it cannot stand under `path`."""
    if "*" not in tree:
        words = _NOT_HERE if path[:1] == (_SERVERS,) else _ELSEWHERE
        if not path and key in _OTHER_WORDS:
            raise node.error(f"unknown key `{key}`", hint=_OTHER_WORDS[key], at=node.keys[key])
        if key not in tree and key in words and get_close_matches(key, tree, 1):
            words = {key: f"{nearest(key, tree)} If not, {words[key]}"}
        replace(node, value={key: child}).table(tree, other_words=words)
        return
    problem = _NAMES.get(path, _any_name)(key)
    if problem is not None:
        what, hint = problem
        raise node.error(what, hint=hint, at=node.keys[key])


def _elsewhere() -> dict[str, str]:
    """A key's last word -> where it stands, for words that stand in one place only."""
    places: dict[str, set[Path]] = {}
    for row in ROWS:
        for end in range(1, len(row.path) + 1):
            places.setdefault(row.path[end - 1], set()).add(row.path[: end - 1])
    return {
        word: f"it stands under `{'.'.join(next(iter(paths)))}`"
        for word, paths in places.items()
        if len(paths) == 1 and () not in paths
    }


_ELSEWHERE: Final[Mapping[str, str]] = _elsewhere()
_NOT_HERE: Final[Mapping[str, str]] = {
    **_ELSEWHERE,
    **{
        row.path[0]: "it is for all servers: write it at the top of the file"
        for row in ROWS
        if row.path[0] not in PER_SERVER
    },
}

_OTHER_WORDS: Final[Mapping[str, str]] = dict.fromkeys(
    ("roles", "users", "callers", "agents"), "did you mean `principals`?"
)
"""What other programs call a key at the top, where it is like another of ours."""

_Problem = tuple[str, str] | None


def _any_name(key: str) -> _Problem:
    if not 0 < len(key) <= MAX_NAME or not key.isprintable():
        return f"a name has 1 to {MAX_NAME} printable characters", ""
    return None


def _glob(key: str) -> _Problem:
    if not 0 < len(key) <= MAX_GLOB:
        hint = "name the tool, or use * for any run of characters"
        return f"a tool's pattern is {len(key)} characters, it can have 1 to {MAX_GLOB}", hint
    return None


def _tool(key: str) -> _Problem:
    if "*" in key or "?" in key:
        return "a tool's name belongs here, not a pattern", "for any tool, use `limits.tool`"
    return _any_name(key)


def _detector(key: str) -> _Problem:
    if key not in DETECTORS:
        return "there is no such detector", nearest(key, DETECTORS)
    return None


def _principal(key: str) -> _Problem:
    if not key.startswith(_PREFIXES) or key in _PREFIXES:
        return "a principal is `local:PROFILE` or a did:key", "for example: local:default"
    return _any_name(key) or _did(key)


def _did(key: str) -> _Problem:
    if key.startswith(_PROFILE):
        return None
    from mcpguard.identity.did import public_of  # most files name none

    try:
        public_of(key)
    except IdentityError as error:
        return error.message, error.hint
    return None


_NAMES: Final[Mapping[Path, Callable[[str], _Problem]]] = {
    ("tools",): _glob,
    ("limits", "tools"): _tool,
    ("gateway", "detect"): _detector,
    ("principals",): _principal,
}
"""What the free words under a key may be."""
