"""The time of a store on one machine: it goes on while the machine sleeps, and never back.

Within one boot only the machine's uptime counts, so setting the wall clock forward frees nothing
and setting it back holds nothing up. Over a reboot the wall clock is all there is.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Clock", "Instant", "advanced", "here", "uptime"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Linux; elsewhere a reboot shows as an uptime that went back."""

_SLEEPS_TOO = getattr(time, "CLOCK_BOOTTIME", None)


class Instant(NamedTuple):
    """What the machine says. `boot`: which start of it, or empty; both times in milliseconds."""

    boot: str
    up: int
    wall: int


Clock = Callable[[], Instant]


def uptime() -> float:
    """Seconds since some moment, alike in every process of this machine; counts sleep on Linux.

    The `now` of whoever holds leases: with a clock that stops while the machine sleeps, a lease
    would outlive its end in the store.
    """
    return time.monotonic() if _SLEEPS_TOO is None else time.clock_gettime(_SLEEPS_TOO)


def here() -> Clock:
    """The clock of this machine."""
    try:
        boot = _BOOT_ID.read_text("ascii").strip()
    except OSError:
        boot = ""
    return lambda: Instant(boot, int(uptime() * 1000), time.time_ns() // 1_000_000)


def advanced(now: int, last: Instant, seen: Instant) -> int:
    """The store's time at `seen`, when it was `now` at `last`. Never less than `now`."""
    same_boot = seen.boot == last.boot and (bool(seen.boot) or seen.up >= last.up)
    passed = seen.up - last.up if same_boot else seen.wall - last.wall
    return now + max(0, passed)
