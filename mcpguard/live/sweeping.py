"""Once a session: what approvals left in the store and nobody can use any more is deleted."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcpguard.live.worker import Job
    from mcpguard.store import Store

__all__ = ["Sweep"]

SWEPT_AT = 2
"""The look at the store that sweeps it; for the first one calls wait."""


class Sweep:
    """A `worker.Sharer`: once a session, deletes from the store what of approvals has expired."""

    urgent = False

    def __init__(self) -> None:
        self._looks = 0

    def job(self) -> "Job":
        """See `worker.Sharer`."""
        self._looks += 1
        return _swept if self._looks == SWEPT_AT else lambda _: _nothing

    def lost(self) -> None:
        """See `worker.Sharer`. Another session will do it."""


def _swept(store: "Store") -> Callable[[], None]:
    from mcpguard.approval import orphans, shared  # in the worker's thread

    now = int(time.time())  # noqa: TID251 - the shell's clock
    shared.sweep(store, now)
    orphans.sweep_left(store, now)
    return _nothing


def _nothing() -> None:
    """Nothing was asked, so there is nothing to take."""
