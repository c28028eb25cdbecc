"""What was decided in a session so far, as far as conditions may read it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from mcpguard.model import UP, Allowed, JsonObject
from mcpguard.proxy.actions import Record

__all__ = ["Tally"]


class Tally:
    """Counts of one session, from the moment there are rules."""

    def __init__(self) -> None:
        self._allowed: Counter[Allowed] = Counter()
        self._others: Counter[tuple[str, bool]] = Counter()

    def count(self, records: Sequence[Record]) -> None:
        """Records that were written."""
        allowed = self._allowed
        for record, _ in records:
            if type(record) is Allowed:
                allowed[record] += 1
            else:
                self._other(cast("JsonObject", record))

    def counted(self, allowed: Mapping[Allowed, int]) -> None:
        """Those that were allowed without remark, and counted elsewhere."""
        for record, times in allowed.items():
            self._allowed[record] += times

    def _other(self, record: JsonObject) -> None:
        decision = record.get("decision")
        about = record.get("direction") == UP and record.get("method") == "tools/call"
        if about and decision in _DECIDED and record.get("stage") != "wire":
            self._others[str(record["target"]), decision != "allow"] += 1

    def of(self, tool: str) -> tuple[int, int, int]:
        """Calls of tools, those of them of `tool`, and those that were denied."""
        calls = [(one.target, n) for one, n in self._allowed.items() if one[:2] == _CALL_UP]
        calls += [(target, n) for (target, _), n in self._others.items()]
        denied = sum(n for (_, was), n in self._others.items() if was)
        return sum(n for _, n in calls), sum(n for name, n in calls if name == tool), denied


_CALL_UP = (UP, "tools/call")
_DECIDED = frozenset({"allow", "deny", "would_deny"})
