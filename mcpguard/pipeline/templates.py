"""Which reviewed templates a URI comes from, and what their variables hold in it."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import ItemKind, Json, JsonObject
from mcpguard.wire.uri import Template

__all__ = ["Templates"]

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


class Templates:
    """The templates of a lockfile, each parsed when it is first needed."""

    __slots__ = ("_locked", "_parsed")

    def __init__(self, lock: Lockfile | None) -> None:
        self._locked: Mapping[str, object] = lock.items.get(ItemKind.TEMPLATE, {}) if lock else {}
        self._parsed: dict[str, Template | None] = {}

    def of(self, uri: str) -> Iterator[Template]:
        """Those that `uri` is an expansion of."""
        for text in self._locked:
            template = self._template(text)
            if template is not None and template.matches(uri):
                yield template

    def variables(self, text: str) -> frozenset[str]:
        """The names of the variables of the locked template `text`; none if there is no such."""
        template = self._template(text) if text in self._locked else None
        return template.variables if template is not None else frozenset()

    def _template(self, text: str) -> Template | None:
        if text not in self._parsed:
            self._parsed[text] = _parsed(text)
        return self._parsed[text]

    def held(self, uri: str) -> JsonObject:
        """What a server may take out of `uri`: by template, by variable, and URLs within it.

        Raises:
            ValueError: A template is too large for its variables to be told apart.
        """
        held: dict[str, Json] = {}
        for number, template in enumerate(self.of(uri)):
            variables: list[Json] = [{name: [*texts]} for name, texts in template.values(uri)]
            held[str(number)] = variables
        inner: list[Json] = [*_inner(uri)]
        return {**held, "inner": inner} if inner else held


def _parsed(text: str) -> Template | None:
    """None for a template that is none, and so matches nothing."""
    try:
        return Template.parse(text)
    except ValueError:
        return None


def _inner(uri: str) -> Iterator[str]:
    """The URLs in it, however the variables divide it; each to the next one."""
    for before, after in pairwise(uri.split("://")):
        end = len(before)
        while end and before[end - 1] in _LETTERS:
            end -= 1
        yield f"{before[end:]}://{after}"
