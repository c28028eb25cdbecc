"""What a session wants done. The daemon does it in this order: records, then sends, then stop."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from mcpguard.model import Allowed, JsonObject, Side
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


Send: TypeAlias = tuple[Side, bytes, Role, Entry | None]
"""To whom; one whole line, newline included; what it is; the request it belongs to. A plain tuple:
a named one takes four times as long to make, and there is one for every message."""


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

    A record is its fields and the encoded arguments, of which the log keeps only a keyed digest.
    """

    __slots__ = ("events", "records", "sends", "stop")

    def __init__(self) -> None:
        self.records: list[tuple[JsonObject | Allowed, bytes]] = []
        self.sends: list[Send] = []
        self.events: list[Event] = []
        self.stop: Stop | None = None

    def clear(self) -> None:
        """All of it is done."""
        self.records.clear()
        self.sends.clear()
        self.events.clear()
        self.stop = None
