"""What a session keeps from its model: the quarantine it fills, the planted credentials it knows.

Written when a result is refused, not before: a model is told an id only of what can be read under
it. A release admits one identical result in this session, and is used up by it.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from mcpguard.config.plan import Plan
from mcpguard.errors import McpguardError, UsageError
from mcpguard.pipeline.scan import Kept
from mcpguard.scan import Detector
from mcpguard.vault import CANARIES

if TYPE_CHECKING:  # brings anyio, which the start of a session does without
    from mcpguard.live.worker import Job

__all__ = ["RELEASED_FOR", "Keeping", "Planted"]

RELEASED_FOR = 600
"""Seconds in which a release admits one identical result, as long as an approval does."""

MAX_RELEASES = 64
"""Releases that wait to be used."""

_HOUR = 3600

Clock = Callable[[], float]


class Keeping:
    """The `pipeline.scan.Keep` of a session. Of any thread.

    `hours`: how long an entry is kept. `now`: monotonic seconds. `unix`: seconds since 1970.
    """

    def __init__(
        self,
        plan: Plan,
        session: str,
        data: Callable[[], Path],
        *,
        hours: Callable[[], int],
        now: Clock,
        unix: Clock,
        tell: Callable[[str, str], None],
    ) -> None:
        self._plan, self._session, self._data = plan, session, data
        self._hours, self._now, self._unix, self._tell = hours, now, unix, tell
        self._released: dict[str, float] = {}
        self._lock = Lock()

    def keep(self, kept: Kept) -> str:
        """See `pipeline.scan.Keep`."""
        from mcpguard.vault.quarantine import Entry, Quarantine  # what is rare waits for its time

        at = int(self._unix())
        entry = Entry(
            id="",
            server=self._plan.name,
            principal=self._plan.principal,
            session=self._session,
            method=kept.method,
            target=kept.target,
            at=at,
            until=at + self._hours() * _HOUR,
            why=kept.why,
            rules=kept.rules,
            error=kept.error,
            body=kept.body,
        )
        try:
            return Quarantine(self._data()).put(entry)
        except McpguardError as error:
            self._tell("quarantine.failed", error.message)
            return ""

    def release(self, digest: str) -> None:
        """A person admits the result of this digest, once, within `RELEASED_FOR` seconds."""
        with self._lock:
            if len(self._released) >= MAX_RELEASES:
                del self._released[min(self._released, key=lambda each: self._released[each])]
            self._released[digest] = self._now() + RELEASED_FOR

    def released(self, kept: Kept) -> bool:
        """See `pipeline.scan.Keep`."""
        if not self._released:
            return False
        from mcpguard.vault.quarantine import digest_of

        digest = digest_of(kept.method, kept.target, kept.body)
        with self._lock:
            until = self._released.pop(digest, None)
        return until is not None and self._now() < until


class Planted:
    """Planted credentials as they are now: a `worker.Keeper` that looks at their file.

    `changed`: called on the session's own thread when there are others. A file that cannot be read
    is a VaultError at the start; later those of before stay, and `tell` is told.
    """

    urgent = False

    def __init__(
        self,
        data: Callable[[], Path],
        changed: Callable[[], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self._data, self._changed, self._tell = data, changed, tell
        self._stamp = self._look()
        self.detector = self._read()

    def job(self) -> "Job":
        """See `worker.Keeper`."""
        return lambda _: self._again

    def lost(self) -> None:
        """See `worker.Keeper`. The next look comes."""

    def _again(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.detector = self._read()
        except McpguardError as error:
            self._tell("canaries.unread", error.message)
            return
        self._changed()

    def _look(self) -> tuple[int, int]:
        """When the file was written, and its size; zeros when there is none."""
        try:
            told = (self._data() / CANARIES).stat()
        except (OSError, UsageError):
            return 0, 0
        return told.st_mtime_ns, told.st_size

    def _read(self) -> Detector | None:
        if self._stamp == (0, 0):
            return None
        from mcpguard.vault import canaries, disguises

        return disguises.detector(canaries.fragments(self._data()))
