"""Names that a person typed: whether anything here knows them, and what is said when nothing does.

A name may be of what is still to come, so an unknown one is no error; it may be a typo, too.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from mcpguard.cli import reach, render
from mcpguard.control.client import Found
from mcpguard.errors import McpguardError
from mcpguard.model import ItemKind
from mcpguard.trust.fold import Party
from mcpguard.trust.score import Standing

__all__ = ["others", "standings", "warning"]

MAX_NAMES = 8
"""Known names that a warning shows."""

MAX_NAME = 60
"""Characters of one of them: a peer may have chosen it."""


def others(kind: str, name: str, found: Sequence[Found]) -> frozenset[str] | None:
    """The names of `kind` that are known here, when `name` is none of them; else None.

    None, too, when that cannot be told: what was asked for is done, and doubts nothing. `kind`: a
    key of `_NAMES`. `found`: the running sessions.
    """
    try:
        names = frozenset(_NAMES[kind](found))
    except McpguardError:
        return None
    return None if name in names else names


def warning(kind: str, name: str, known: Collection[str], does: str, way: str) -> Iterator[str]:
    """What is said of `name`, which is not `known`: what is done for it all the same, and next."""
    yield render.printable(
        f"warning: no running session, lockfile, score or setting known here is of a {kind} {name}:"
        f" {does}"
    )
    near = _near(name, known)
    shown = [each[:MAX_NAME] for each in [*near, *sorted({*known}.difference(near))]]
    more = f" and {len(shown) - MAX_NAMES} more" if len(shown) > MAX_NAMES else ""
    yield render.printable(f"  known: {', '.join(shown[:MAX_NAMES]) or 'none'}{more}")
    meant = f"did you mean {near[0][:MAX_NAME]}? " if near else ""
    yield render.printable(f"  next: {meant}{way}")


def standings() -> dict[Party, Standing]:
    """What the store of this user's proxies holds, if there is one. Looking makes none.

    Raises StoreError when it cannot be read.
    """
    store = reach.existing_store()
    if store is None:
        return {}
    from mcpguard.live.standings import known

    try:
        return known(store)
    finally:
        store.close()


def _near(name: str, known: Iterable[str]) -> list[str]:
    """Those of `known` that `name` is most like, the nearest first."""
    folded = {each.casefold(): each for each in known}
    return [folded[each] for each in get_close_matches(name.casefold(), folded)]


def _callers(found: Sequence[Found]) -> Iterator[str]:
    from mcpguard.config.loading import load

    settings = load().settings
    yield from settings.principals
    if not settings.identity:  # its principal is pinned
        yield f"local:{settings.profile}"
    for one in reach.each(found, lambda line: line.ask("status")):
        yield from filter(None, [reach.field(one.result, "principal")])
    yield from _observed("caller")


def _servers(found: Sequence[Found]) -> Iterator[str]:
    from mcpguard.live import names

    yield from (row.server for row in names.others(reach.home()))
    yield from (one.server for one in found if one.server)
    yield from _observed("server")


def _tools(_found: Sequence[Found]) -> Iterator[str]:
    from mcpguard.config.loading import load
    from mcpguard.live import names

    yield from load().settings.tools.policies
    for row in names.others(reach.home()):
        yield from (item.name for item in row.items if item.kind == ItemKind.TOOL)


def _observed(role: str) -> Iterator[str]:
    """Those whose score something has moved, as the reset of a name that nobody has does not."""
    for party, standing in standings().items():
        if party.role == role and standing.recent:
            yield party.name


_NAMES: Final[Mapping[str, Callable[[Sequence[Found]], Iterable[str]]]] = {
    "caller": _callers,
    "principal": _callers,
    "server": _servers,
    "tool": _tools,
}
"""What a command calls a party or an item -> the names of it that are known here."""
