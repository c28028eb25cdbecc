"""What other servers list, so arranged that a tool meets only those it may be taken for."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from mcpguard.scan.threats.definition import Item
from mcpguard.scan.threats.parameters import words
from mcpguard.scan.threats.text import normalise

__all__ = ["Neighbours", "bare", "glance", "neighbours", "plain_words", "skeleton"]

LONGEST = 256
"""Characters of a name that are looked at: no host takes a longer one."""

LONG = 32
"""Characters of a name that has as many keys, each as long: a stranger chooses both."""

_FILLING = frozenset(
    (
        "a",
        "an",
        "the",
        "my",
        "your",
        "new",
        "real",
        "original",
        "official",
        "secure",
        "safe",
        "fast",
        "best",
        "better",
        "pro",
        "plus",
        "ultimate",
        "tool",
        "tools",
        "function",
        "v0",
        "v1",
        "v2",
        "v3",
        "v4",
        "1",
        "2",
        "3",
        "4",
        "enhanced",
        "advanced",
        "improved",
        "latest",
        "copy",
    )
)
"""Words that make another name of one without another meaning."""

_VERBS = frozenset(
    (
        "get",
        "list",
        "add",
        "create",
        "delete",
        "remove",
        "update",
        "set",
        "read",
        "write",
        "search",
        "run",
        "do",
    )
)


@lru_cache(maxsize=8192)
def skeleton(name: str) -> str:
    """A name as it is seen at a glance: without case, separators and look-alikes."""
    return "".join(words(normalise(name[:LONGEST]).text))


_LOOKS = str.maketrans("I1i|034578O", "llllo" + "eastb" + "o")
"""Letters and digits that pass for another, all as that one: `l` is also an `i`."""


@lru_cache(maxsize=8192)
def glance(name: str) -> str:
    """A name whose digits are taken for letters, and whose letters for those of their shape."""
    return skeleton(name[:LONGEST].translate(_LOOKS)).replace("rn", "m").replace("vv", "w")


@lru_cache(maxsize=8192)
def plain_words(name: str) -> tuple[str, ...]:
    """The words of a name without those that mean nothing, in the singular."""
    return tuple(each.removesuffix("s") for each in words(name) if each not in _FILLING)


@lru_cache(maxsize=8192)
def bare(name: str) -> frozenset[str]:
    """The words of a name that say what it is about."""
    return frozenset(each for each in plain_words(name) if each not in _VERBS)


@lru_cache(maxsize=2048)
def _keys(name: str) -> tuple[tuple[str, object], ...]:
    """The same for every server of a survey, each of which is held against all others."""
    return tuple(_shared(name))


def _shared(name: str) -> Iterator[tuple[str, object]]:
    """What two names have in common, one of these at least, that are near or about the same.

    Names one edit or two swapped letters apart share a name with one letter less; long ones, their
    beginning or their end.
    """
    seen = skeleton(name)
    yield "seen", seen
    yield "glance", glance(name)
    yield "plain", plain_words(name)
    yield from (("about", word) for word in bare(name))
    if len(seen) <= LONG + 1:
        yield from (("less", seen[:at] + seen[at + 1 :]) for at in range(len(seen)))
        yield "less", seen
    if len(seen) >= LONG:
        yield "begins", seen[: LONG // 2 - 1]
        yield "ends", seen[-(LONG // 2 - 1) :]


class Neighbours:
    """Items of other servers, by what their names have in common with another name."""

    __slots__ = ("_by", "items")

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        self._by: dict[tuple[str, object], list[int]] = {}
        for number, item in enumerate(self.items):
            name = item.definition.get("name")
            for key in _keys(name) if isinstance(name, str) else ():
                self._by.setdefault(key, []).append(number)

    def __bool__(self) -> bool:
        return bool(self.items)

    def near(self, name: str) -> list[Item]:
        """Those that a tool of this name may be taken for, in their order."""
        found = {number for key in _keys(name) for number in self._by.get(key, ())}
        return [self.items[number] for number in sorted(found)]


def neighbours(items: "tuple[Item, ...] | Neighbours") -> Neighbours:
    """`items`, arranged; as they are, when they are."""
    return items if isinstance(items, Neighbours) else Neighbours(items)
