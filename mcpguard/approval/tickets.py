"""Names for what waits: short ones that a person types, long ones that are signed."""

from collections.abc import Callable

__all__ = ["LETTERS", "RANDOM_BYTES", "SHORT", "minted", "typed"]

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 without I, L, O and U, which look like others (Crockford's alphabet)."""

SHORT = 6
"""Letters of a ticket: 30 bits. It is a name, not a secret: without a signature of no use."""

RANDOM_BYTES = 16
"""Bytes of one id: 128 bits never come twice, so no signature fits a later asking."""

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
