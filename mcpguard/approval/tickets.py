"""Names for what waits: short ones a person types, long ones that are signed; one-time nonces."""

from collections.abc import Callable

__all__ = [
    "LETTERS",
    "MAX_NONCES",
    "NONCE_LIFE",
    "RANDOM_BYTES",
    "SHORT",
    "Nonces",
    "minted",
    "typed",
]

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 without I, L, O and U, which look like others (Crockford's alphabet)."""

SHORT = 6
"""Letters of a ticket: 30 bits. It is a name, not a secret: without a signature of no use."""

RANDOM_BYTES = 16
"""Bytes of one id: 128 bits never come twice, so no signature fits a later asking."""

MAX_NONCES = 64
"""Nonces given and not used yet. A person has one command open, or a few."""

NONCE_LIFE = 120.0
"""Seconds to type a passphrase in."""

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


class Nonces:
    """What a session gave out to be signed, once each. `now`: monotonic seconds."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self._ends: dict[str, float] = {}

    def give(self, now: float) -> str:
        """A new one. The oldest is forgotten when too many are open. Raises what `source` does."""
        nonce = minted(self._source)
        while len(self._ends) >= MAX_NONCES:
            del self._ends[next(iter(self._ends))]
        self._ends[nonce] = now + NONCE_LIFE
        return nonce

    def spend(self, nonce: str, now: float) -> bool:
        """Whether it was given, in time and never spent. It is spent then, whatever follows."""
        return now < self._ends.pop(nonce, now)
