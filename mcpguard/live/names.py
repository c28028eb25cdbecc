"""A lockfile's place in the machine's registry of names; and what the registry says of others.

Beside a session, never on a message's way. A registry that cannot be used is a warning: what it
would have shown is missing, and nothing else.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mcpguard.hosts import launchers
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import ItemKind
from mcpguard.store import Store
from mcpguard.store.names import FILE, Named, Registered, forget, read, register

__all__ = ["command", "others", "publisher", "registered", "remember"]


def remember(home: Path, lock: Lockfile, file: Path, digest: str = "") -> bool:
    """Register what `lock`, read from `file`, holds; whether that was news. Raises StoreError.

    `digest`: of the file as it was reviewed, where `lock` is less than it.
    """
    path, argv = str(file.absolute()), lock.launch.argv
    items = tuple(
        Named(kind.value, name, _description(item.definition.get("description")))
        for kind in ItemKind
        for name, item in lock.items.get(kind, {}).items()
    )
    row = Registered(lock.name, publisher(argv), path, digest or lock.digest, command(argv), items)
    with _opened(home) as store:
        return register(store, row)


def others(home: Path, but: Path | None = None) -> list[Registered]:
    """What every lockfile that is still there holds, `but` one. Raises StoreError."""
    mine = str(but.absolute()) if but is not None else ""
    return [each for each in registered(home)[0] if each.lock != mine]


def registered(home: Path) -> tuple[list[Registered], list[Registered]]:
    """What every lockfile that is still there holds, and what is forgotten now. Raises StoreError.

    Looking makes no registry where there is none, and forgets lockfiles that are gone.
    """
    held: list[Registered] = []
    gone: list[Registered] = []
    if not (home / FILE).exists():
        return held, gone
    with _opened(home) as store:
        for each in read(store):
            (held if Path(each.lock).exists() else gone).append(each)
        for each in gone:
            forget(store, each.lock)
    return held, gone


def publisher(argv: Sequence[str]) -> str:
    """Whose code a command runs, as far as it tells: a package's scope or name, an image's."""
    words = launchers.unwrapped(argv)
    for each in launchers.packages(words)[:1]:
        return _owner(each.said)
    box = launchers.container(words)
    if box is not None and box.image:
        return box.image.partition("@")[0].rpartition("/")[0] or box.image.partition(":")[0]
    for word in words:
        inside = word.replace("\\", "/").rpartition("/node_modules/")[2]
        if inside != word.replace("\\", "/"):
            return _owner(inside)
    return ""


def command(argv: Sequence[str]) -> str:
    """A digest of what starts a server: the same for the same words."""
    return hashlib.sha256("\0".join(argv).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _owner(said: str) -> str:
    """`@scope` of `@scope/name@1.2.3/...`; else the name without its version."""
    if said.startswith("@"):
        return said.partition("/")[0]
    return said.partition("/")[0].partition("==")[0].partition("@")[0]


def _description(said: object) -> str:
    return said if isinstance(said, str) else ""


@contextmanager
def _opened(home: Path) -> Iterator[Store]:
    from mcpguard.store.sqlite import SqliteStore

    store = SqliteStore(home / FILE, busy=BUSY)
    try:
        yield store
    finally:
        store.close()


BUSY = 0.5
"""Seconds to wait for another writer: nothing hangs on it, and the end of a session may wait."""
