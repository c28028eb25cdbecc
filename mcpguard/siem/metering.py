"""Metrics of one log for OTLP: each batch of records is counted, and the sums are sent."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from mcpguard.siem.formats.tally import Queue, Tally, message
from mcpguard.siem.machine import machine
from mcpguard.siem.spool import MAX_RECORDS, Cursor, cursor_path

__all__ = ["Meter"]


class Meter:
    """Counts from when it was made; a batch that comes again, for want of an answer, counts once.

    After a restart it begins at nothing, which receivers can tell by the time of the first record.
    """

    def __init__(self, log: Path, sinks: Sequence[str] = (), host: str = "") -> None:
        """`sinks`: the names of those whose queues are told. `host`: see `Courier`."""
        self._log = log
        self._sinks = sinks
        self._host = host or machine()
        self._name = f"{self._host}/{log.name}"
        self._tally = Tally()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._seq = 0

    def message(self, batch: Sequence[bytes]) -> bytes:
        """The sums after these records, as JSON, for OTLP."""
        for each in batch:
            record = orjson.loads(each)
            if self._new(str(record.get("hash", ""))):
                self._tally.take(record)
                seq = record.get("seq")
                self._seq = seq if isinstance(seq, int) else self._seq
        return message(self._tally, self._name, [*self._queues()], self._host)

    def _new(self, digest: str) -> bool:
        if digest in self._seen:
            return False
        self._seen[digest] = None
        if len(self._seen) > 2 * MAX_RECORDS:
            self._seen.popitem(last=False)
        return True

    def _queues(self) -> Iterator[Queue]:
        for sink in self._sinks:
            cursor = Cursor.load(cursor_path(self._log, sink))
            queued = max(0, self._seq - cursor.seq)
            yield Queue(self._log.stem, sink, queued, cursor.missed)
