"""What is kept of one caller or server: its standing, and what was reviewed and drifted before.

An `Entry` is what one record says of one party. Whether it is news is the party's account to say:
the fold of the logs and the copy that proxies share take the same entries in the same order, so
they cannot differ.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

from mcpguard.trust.score import Event, Standing

__all__ = [
    "ABOUT",
    "CALLER",
    "MAX_MARKS",
    "MET",
    "SERVER",
    "STARTED",
    "Account",
    "Entry",
    "Party",
    "about",
    "clean",
    "enrolled",
    "mark",
]

CALLER, SERVER = "caller", "server"
"""The two roles of a `Party`."""

STARTED: Final = "started"
"""Kind of an entry: a session began behind the lockfile `mark`; empty: without one."""

MET: Final = "met"
"""Kind of an entry: the party took part, and nothing was observed of it."""

_ENROLLED: Final = ("local:", "did:key:")
"""What the names of callers begin with: profiles, and keys that the settings pin."""

ABOUT = 100
"""Characters kept of what an event was about: a line of a terminal."""

ABOUT_BYTES = 180
"""Bytes of JSON that these may take, or a name made of control characters would fill a store's
value, and nothing more could be said of whoever chose it."""

MAX_MARKS = 200
"""Lockfiles, and drifted items, remembered of one server. The oldest lockfile is forgotten first;
of more items that drift no further one counts: three have taken all there is to lose."""


class Party(NamedTuple):
    """Whose standing it is. `role`: `CALLER` or `SERVER`. `name`: as the records give it."""

    role: str
    name: str


class Entry(NamedTuple):
    """What a record says of a party, `times` times over.

    `at`: Unix microseconds. `session`, `seq`: the (last) record it stands for. `kind`: an `Event`,
    `STARTED` or `MET`. `about`: a name, see `about`. `level`: the party's from here on; -1: as it
    was. `mark`: of the lockfile or of the item that drifted.
    """

    party: Party
    at: int
    session: str
    seq: int
    kind: str
    about: str = ""
    level: int = -1
    mark: str = ""
    times: int = 1

    @property
    def place(self) -> tuple[int, str, int]:
        """By which entries are put in order."""
        return self.at, self.session, self.seq


class Account(NamedTuple):
    """A value: `after` gives the next one. `locks`, `drifted`: marks, oldest first."""

    standing: Standing
    locks: tuple[str, ...] = ()
    drifted: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: Entry) -> "Account":
        """Of somebody whose first entry this will be."""
        return cls(Standing.new(1 if entry.level < 0 else entry.level))

    def after(self, entry: Entry) -> tuple["Account", Event | None]:
        """With `entry`, and the event that it was, if it was one."""
        standing = self.standing if entry.level < 0 else self.standing.on_level(entry.level)
        event, known = self._news(entry)
        if event is not None:
            times = 1 if event is Event.DRIFT else entry.times
            standing = standing.repeated(event, entry.at // 1_000_000, entry.about, times)
        return known._replace(standing=standing), event

    def _news(self, entry: Entry) -> "tuple[Event | None, Account]":
        """The event that an entry is, after all that is known, and what is known from now on."""
        match entry.kind:
            case "met":
                return None, self
            case "started":
                return self._started(entry.mark)
            case "drift":
                return self._drifted(entry.mark)
            case other:
                return Event(other), self

    def _started(self, lock: str) -> "tuple[Event | None, Account]":
        """A lockfile never seen before is a person's new review, unless it is the first."""
        if not lock or lock in self.locks:
            return None, self
        locks = (*self.locks, lock)[-MAX_MARKS:]
        return Event.REVIEWED if self.locks else None, self._replace(locks=locks, drifted=())

    def _drifted(self, item: str) -> "tuple[Event | None, Account]":
        """The drift of one item is news once."""
        if item in self.drifted or len(self.drifted) >= MAX_MARKS:
            return None, self
        return Event.DRIFT, self._replace(drifted=(*self.drifted, item))


def enrolled(name: str) -> bool:
    """Whether who is called so was enrolled by the operator: no other profile or key calls."""
    return name.startswith(_ENROLLED)


def about(text: str) -> str:
    """What is kept of a name: as the log writes it, within `ABOUT` and `ABOUT_BYTES`."""
    if text.isascii() and text.isprintable() and len(text) * 2 <= ABOUT_BYTES:
        return text
    kept, room = "", ABOUT_BYTES
    for char in clean(text)[:ABOUT]:
        room -= 6 if char < " " else 2 if char in '"\\' else len(char.encode())
        if room < 0:
            break
        kept += char
    return kept


def clean(text: str) -> str:
    """`text` as the log writes it: half a character becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def mark(*parts: str) -> str:
    """16 hex digits that stand for `parts`. A collision would only hide one of two drifts."""
    told = clean("\0".join(parts)).encode()
    return blake2b(told, digest_size=8).hexdigest() if any(parts) else ""
