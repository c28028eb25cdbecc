"""What is surveyed: one server as it is known here, and what was found out about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from mcpguard.hosts.declared import Server
from mcpguard.model import Finding, ItemKind
from mcpguard.policy.suppress import Suppression

__all__ = ["Place", "State", "Subject", "Told"]


class State(StrEnum):
    """How much was looked at. Only the first two say anything about what a model is told."""

    INSPECTED = "inspected"
    """It was started now, and everything it lists was judged."""
    LOCKED = "judged as locked"
    """It was not started; what its lockfile holds was judged, which is all it can show."""
    NEVER = "never scanned"
    """Only how it is started was looked at. Nobody knows what it lists."""
    FAILED = "could not be scanned"
    """It was to be looked into, and that did not work."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing is written. `line`: from 1. `keys`: those that lead to it, outermost first.

    `live`: it is written nowhere here: a running server told it, and `file` only starts that.
    """

    file: Path
    line: int = 1
    keys: tuple[str, ...] = ()
    live: bool = False

    @property
    def shown(self) -> str:
        """For people. No line is named where nothing of it is written."""
        if not self.live:
            return f"{self.file}:{self.line}"
        at = f":{self.line}" if self.keys else ""
        return f"from the running server of {self.file}{at}"


@dataclass(frozen=True, slots=True)
class Told:
    """A finding about `item` (`tool NAME`; empty: the server itself), and where that is written.

    `suppressed`: why it does not count. `run_out`: the suppression that held until it expired.
    """

    finding: Finding
    item: str = ""
    place: Place | None = None
    suppressed: Suppression | None = None
    run_out: Suppression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One server. `host`: the program whose file declares it, with its scope; empty for none.

    `why`: of a state that is not good news, a sentence without full stop. `directory`: where its
    host starts it. `shared`: a project's file declares it, so others chose what is started. `lock`:
    the lockfile behind which it runs. `listed`: how many items of each kind were judged.
    """

    name: str
    state: State = State.NEVER
    why: str = ""
    host: str = ""
    place: Place | None = None
    server: Server = field(default_factory=Server)
    directory: Path | None = None
    shared: bool = False
    lock: str = ""
    listed: Mapping[ItemKind, int] = field(default_factory=lambda: MappingProxyType({}))
    told: tuple[Told, ...] = ()

    @property
    def startable(self) -> bool:
        """Whether there is a command that a host would start."""
        return bool(self.server.words) and not self.server.off
