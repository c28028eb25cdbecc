"""What a session wants done. The daemon does it in this order: records, then sends, then stop."""

from dataclasses import dataclass
from enum import Enum, auto

from mcpguard.model import JsonObject, Side
from mcpguard.proxy.pending import Entry

__all__ = ["Batch", "Event", "Role", "Send", "Stop"]


class Role(Enum):
    """What a line is: decides what goes out in its stead when its record cannot be written."""

    OWN = auto()
    """mcpguard's own words: always sent."""
    REQUEST = auto()
    """A host request for the server."""
    RESULT = auto()
    """A server's answer for the host."""
    SERVER_REQUEST = auto()
    """A server request for the host."""
    ANSWER = auto()
    """A host's answer for the server."""
    NOTICE = auto()
    """A notification, either way: dropped."""


@dataclass(slots=True)
class Send:
    """One whole line, newline included, for one side."""

    to: Side
    data: bytes
    role: Role = Role.OWN
    entry: Entry | None = None


@dataclass(slots=True)
class Event:
    """Something a person should hear of, by name, with typed fields; `log` holds the sentences."""

    name: str
    fields: dict[str, str | int]
    level: str = "warning"


@dataclass(slots=True)
class Stop:
    """The session must end with exit code `code`."""

    code: int
    why: str


class Batch:
    """Everything to do since the last `take`, in order.

    A record's `args`, if any, holds encoded arguments: the log keeps only their keyed digest.
    """

    __slots__ = ("events", "records", "sends", "stop")

    def __init__(self) -> None:
        self.records: list[JsonObject] = []
        self.sends: list[Send] = []
        self.events: list[Event] = []
        self.stop: Stop | None = None
