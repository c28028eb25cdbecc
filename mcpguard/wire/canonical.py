"""Canonical JSON (RFC 8785) and its SHA-256: what "the same definition" means."""

import hashlib

import orjson

from mcpguard.model import Json

__all__ = ["MAX_DEPTH", "canonical", "digest"]

MAX_DEPTH = 200
"""Levels of arrays and objects. orjson writes 254, and Python servers read about 200."""

_PLAIN = frozenset({str, int, bool, type(None)})


def canonical(value: Json) -> bytes:
    """RFC 8785 bytes of `value`, except that integers beyond 2^53 are written as their digits.

    Raises:
        ValueError: NaN, infinity, a lone surrogate, or nesting deeper than `MAX_DEPTH`.
    """
    plain = _is_plain(value)
    if plain:
        try:
            written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:
            return _written(value)
        # orjson sorts keys by code point, RFC 8785 by UTF-16 unit: the same for ASCII.
        if written.isascii():
            return written
    return _written(value)


def digest(value: Json) -> str:
    """`sha256:` and the hex SHA-256 of `canonical(value)`. Raises what `canonical` raises."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def _is_plain(value: Json) -> bool:
    """No float (orjson prints them otherwise) and no deeper than `MAX_DEPTH`. Walks level by level.

    Raises:
        ValueError: Nested deeper than `MAX_DEPTH`.
    """
    plain, level = True, [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Json] = []
        for node in level:
            kind = type(node)
            if kind is dict:
                below.extend(node.values())  # type: ignore[union-attr] # narrowed by `type() is`
            elif kind is list:
                below.extend(node)  # type: ignore[arg-type] # narrowed by `type() is`
            elif kind not in _PLAIN:
                plain = False
        if not below:
            return plain
        level = below
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _written(value: Json) -> bytes:
    if isinstance(value, dict):
        members = sorted(value.items(), key=_utf16)
        return b"{" + b",".join(_leaf(k) + b":" + _written(v) for k, v in members) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(_written, value)) + b"]"
    return _leaf(value)


def _utf16(member: tuple[str, Json]) -> bytes:
    """RFC 8785 section 3.2.3: keys are sorted as arrays of UTF-16 code units."""
    return member[0].encode("utf-16-be", "surrogatepass")


def _leaf(value: Json) -> bytes:
    if type(value) is int:
        return b"%d" % value
    import rfc8785

    return rfc8785.dumps(value)
