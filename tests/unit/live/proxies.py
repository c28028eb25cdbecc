"""A session as the daemon runs one, as far as scores are concerned, for tests of many at once."""

from pathlib import Path

from mcpguard.audit import AuditLog
from mcpguard.audit.verify import read
from mcpguard.live import standings
from mcpguard.model import Allowed, JsonObject
from mcpguard.store import Store
from mcpguard.trust.account import CALLER, SERVER, Entry, Party
from mcpguard.trust.score import Standing
from mcpguard.trust.watch import Watcher

FILES, ME = Party(SERVER, "files"), Party(CALLER, "local:default")
ANSWERED = Allowed("server>host", "tools/call", "read_file")
Told = JsonObject | Allowed


class Proxy:
    """A session as the daemon runs one: its log, what it watched, and what it could not publish."""

    def __init__(self, folder: Path, name: str, clock: list[float], lock: str = "sha256:1") -> None:
        self.clock = clock
        self.log = AuditLog.open(
            folder / f"{name}.jsonl",
            key=bytes(32),
            session=name,
            server="files",
            principal="local:default",
            clock=lambda: clock[0],
            durability="none",
            defaults={"mode": "enforce", "level": 1, "score": 500},
            facts={"lock": lock},
        )
        self.watcher = Watcher(
            session=name,
            server="files",
            principal="local:default",
            level=1,
            lock=lock,
            seq=self.log.seq,
            now=clock[0],
        )
        self.pending: list[Entry] = []

    def write(self, *told: Told) -> None:
        records = [(one, b"") for one in told]
        self.log.write(records)
        self.watcher.seen(records, self.log.seq, self.clock[0])

    def publish(self, store: Store) -> dict[Party, Standing]:
        self.pending += self.watcher.drain()
        found = standings.publish(store, self.pending, self.log.path.parent)
        self.pending.clear()
        return found


def logged(folder: Path) -> list[JsonObject]:
    return [record for file in sorted(folder.glob("*.jsonl")) for record in read(file)]
