"""How long calls took: the servers' answers and the guard's own part, of the last ones alone.

On a message's way a time is put into a bounded queue and no more; percentiles are made when
somebody asks.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import ceil

from mcpguard.audit.chain import LONG_WAY
from mcpguard.model import JsonObject

__all__ = ["MOST", "Latency"]

MOST = 1024
"""Of the guard's own times; of the servers' `proxy.core.MAX_TOOK`. A p99 needs a few hundred."""

SAMPLED = LONG_WAY
"""A mask of the record's number: one record in 16 is timed, of those that the log writes the long
way, as a look at the clock costs."""

_RANKS = {"p50": 50, "p95": 95, "p99": 99}


class Latency:
    """Of one session.

    `now`: monotonic seconds. `began`: when the line came that is being handled. `took`: the tools
    that answered and the seconds each took, the last ones.
    """

    def __init__(
        self,
        now: Callable[[], float],
        began: Callable[[], float],
        took: Callable[[], Iterable[tuple[str, float]]],
    ) -> None:
        self._now, self._began, self._took = now, began, took
        self._own: deque[float] = deque(maxlen=MOST)

    def handled(self) -> None:
        """A line was read, decided and recorded."""
        self._own.append(self._now() - self._began())

    def told(self) -> JsonObject:
        """Milliseconds, by nearest rank: `server`, by tool, and `own`; each with its `calls`."""
        by_tool: dict[str, list[float]] = {}
        for tool, seconds in self._took():
            by_tool.setdefault(tool, []).append(seconds)
        server: JsonObject = {tool: _ranks(rows) for tool, rows in sorted(by_tool.items())}
        return {"server": server, "own": _ranks(list(self._own))}


def _ranks(seconds: Sequence[float]) -> JsonObject:
    """Empty for none: nothing was measured, and 0 ms would say something else."""
    if not seconds:
        return {}
    ranked = sorted(seconds)
    made = {
        name: round(ranked[ceil(rank * len(ranked) / 100) - 1] * 1000, 3)
        for name, rank in _RANKS.items()
    }
    return {"calls": len(ranked), **made}
