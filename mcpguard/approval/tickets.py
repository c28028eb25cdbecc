"""Names for what waits: short ones that a person types, long ones that are signed."""

from collections.abc import Callable

__all__ = ["LETTERS", "MAX_SPENT", "RANDOM_BYTES", "SHORT", "Spent", "minted", "typed"]

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 without I, L, O and U, which look like others (Crockford's alphabet)."""

SHORT = 6
"""Letters of a ticket: 30 bits. It is a name, not a secret: without a signature of no use."""

RANDOM_BYTES = 16
"""Bytes of one id: 128 bits never come twice, so no signature fits a later asking."""

MAX_SPENT = 4096
"""Used requests that are remembered at least: within the hour a yes lasts, people say fewer."""

_LOOK_ALIKE = str.maketrans("ILO", "110")


def minted(source: Callable[[int], bytes]) -> str:
    """26 letters of 16 random bytes; the first `SHORT` are the ticket. Raises as `source` does."""
    raw = source(RANDOM_BYTES)
    if len(raw) != RANDOM_BYTES:
        raise ValueError("a source of randomness gave too little")
    number = int.from_bytes(raw, "big")
    return "".join(LETTERS[number >> (5 * at) & 31] for at in range(26))


def typed(text: str) -> str:
    """A ticket as a person typed it, as it was meant: `k7-oi9q` is `K7019Q`."""
    return text.strip().replace("-", "").upper().translate(_LOOK_ALIKE)


class Spent:
    """The requests whose yes this process used up: one that comes back admits nothing.

    Asked and told by a session's loop and by the thread of the store, so no step of it depends on
    another.
    """

    def __init__(self) -> None:
        self._late: set[str] = set()
        self._early: frozenset[str] = frozenset()

    def has(self, request: str) -> bool:
        """Whether it was used up."""
        return request in self._late or request in self._early

    def add(self, request: str) -> None:
        """It is used up."""
        self._late.add(request)
        if len(self._late) >= MAX_SPENT:
            self._early, self._late = frozenset(self._late), set()
