"""did:key of Ed25519: a public key as a name that needs no register (W3C did:key method).

`did:key:` and the multibase text of the multicodec prefix 0xed01 with the 32 bytes: one name for
each key, and one key for each name. Anything else is refused.
"""

from typing import Final

from mcpguard.errors import IdentityError

__all__ = ["METHOD", "did_of", "public_of"]

METHOD: Final = "did:key:"

_BASE58: Final = "z"
"""What base58btc begins with in multibase."""

_ED25519: Final = bytes.fromhex("ed01")
"""ed25519-pub (0xed) in multicodec, as a varint."""

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {char: value for value, char in enumerate(_ALPHABET)}

_KEY = 32
"""Bytes. RFC 8032, section 5.1.5."""

_LENGTH = 47
"""Digits of base58 that 34 bytes have which begin with 0xed."""

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT: Final = pow(2, (_P - 1) // 4, _P)
"""The field, the curve's constant and a root of -1. RFC 8032, section 5.1."""


def did_of(public: bytes) -> str:
    """The name of the key `public`, 32 raw bytes."""
    number, digits = int.from_bytes(_ED25519 + public, "big"), ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return f"{METHOD}{_BASE58}{digits}"


def public_of(did: str) -> bytes:
    """The 32 raw bytes of the key that `did` names. Raises IdentityError for any other text."""
    if not did.startswith(METHOD):
        method = ":".join(did.split(":")[:2])
        raise IdentityError(
            f"DIDs like {method[:20]!r} are not known yet, only did:key",
            hint="name the key itself: mcpguard identity show FILE",
        )
    text = did.removeprefix(METHOD)
    if text[:1] != _BASE58 or len(text) != _LENGTH + 1 or not _DIGITS.keys() >= set(text[1:]):
        raise _malformed("it is not z and 47 digits of base58")
    number = 0
    for char in text[1:]:
        number = number * len(_ALPHABET) + _DIGITS[char]
    size = len(_ED25519) + _KEY
    raw = number.to_bytes(size, "big") if number < 1 << 8 * size else b""
    if not raw.startswith(_ED25519):
        raise _malformed("it names a key of another kind")
    public = raw.removeprefix(_ED25519)
    if not _is_point(public):
        raise _malformed("its 32 bytes are no key that anybody could have made")
    return public


def _malformed(why: str) -> IdentityError:
    return IdentityError(
        f"no did:key of Ed25519: {why}",
        hint="one begins with did:key:z6Mk and has 56 characters: mcpguard identity show FILE",
    )


def _is_point(public: bytes) -> bool:
    """Whether it is a point of the curve, in its one form, and not of small order.

    RFC 8032, section 5.1.3. Under a key of small order signatures hold that nobody made.
    """
    said = int.from_bytes(public, "little")
    y, odd = said & (1 << 255) - 1, said >> 255
    if y >= _P:
        return False
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT % _P
    if x * x % _P != square or (odd and not x):
        return False
    for _ in range(3):  # eight times the point; its sign changes nothing
        bend = _D * x * x * y * y
        x, y = (
            2 * x * y * pow(1 + bend, -1, _P) % _P,
            (y * y + x * x) * pow(1 - bend, -1, _P) % _P,
        )
    return (x, y) != (0, 1)
