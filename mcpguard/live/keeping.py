"""What a session keeps from its model: the quarantine it fills, the planted credentials it knows.

Written when a result is refused, not before: a model is told an id only of what can be read under
it. A release admits one identical result in this session, and is used up by it.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from mcpguard.config.plan import Plan
from mcpguard.errors import McpguardError, UsageError, VaultError
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

_NONE = (0, 0)
"""The stamp of a file that is not there."""

_UNSEEN = (-1, 0)
"""The stamp of one that cannot be looked at."""

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
    """Planted credentials as they are now: a `worker.Sharer` that looks at their file.

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
        self.detector = self._read(self._stamp)

    def job(self) -> "Job":
        """See `worker.Sharer`."""
        return lambda _: self._again

    def lost(self) -> None:
        """See `worker.Sharer`. The next look comes."""

    def _again(self) -> None:
        try:
            stamp = self._look()
        except McpguardError as error:
            self._keep(_UNSEEN, error.message)
            return
        if stamp == self._stamp:
            return
        if stamp == _NONE and self.detector is not None:  # the last one that is dropped leaves it
            self._keep(stamp, f"{CANARIES} is gone")
            return
        try:
            self.detector, self._stamp = self._read(stamp), stamp
        except McpguardError as error:
            self._keep(stamp, error.message)
            return
        self._changed()

    def _keep(self, stamp: tuple[int, int], why: str) -> None:
        """Go on with those of before; said once."""
        if stamp != self._stamp:
            self._tell("canaries.unread", why)
        self._stamp = stamp

    def _look(self) -> tuple[int, int]:
        """When the file was written, and its size; `_NONE` without one. Raises VaultError."""
        try:
            told = (self._data() / CANARIES).stat()
        except (FileNotFoundError, UsageError):
            return _NONE
        except OSError as error:
            raise VaultError(
                f"{CANARIES} cannot be looked at: {error.strerror}",
                hint="make the data directory readable for this user",
            ) from error
        return told.st_mtime_ns, told.st_size

    def _read(self, stamp: tuple[int, int]) -> Detector | None:
        if stamp == _NONE:
            return None
        from mcpguard.vault import canaries, disguises

        return disguises.detector(canaries.fragments(self._data()))
