"""Planted credentials: made to look real, valid nowhere, and known again wherever they turn up.

    <data dir>/canaries.json     0600: of each its kind, when and where it was planted, a digest
                                 under this install's key, and a fragment to look for

The credential itself is written nowhere but where it is planted. Each kind breaks what its issuer
would check (a checksum, a reserved host), or is random in a space in which nothing is ever hit.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import orjson

from mcpguard import private
from mcpguard.audit.key import load_or_create_key
from mcpguard.errors import AuditError, VaultError
from mcpguard.model import Json
from mcpguard.vault import CANARIES
from mcpguard.vault.disguises import SHORTEST

__all__ = [
    "KINDS",
    "MAX_CANARIES",
    "MAX_NOTE",
    "Canary",
    "drop",
    "fragments",
    "made",
    "planted",
    "remember",
]

KEY: Final = "canary.key"

MAX_CANARIES = 64
"""Of one install. Every result is looked through for each of them, in one pass."""

MAX_FILE = 1024 * 1024
"""Bytes of the file of all of them."""

MAX_NOTE = 200
"""Characters of a note."""

Source = Callable[[int], bytes]

_UPPER32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEX = "0123456789abcdef"


class Canary(NamedTuple):
    """One planted credential. `at`: Unix seconds. `into`: the file it was written into, or empty.

    `fragments`: random parts of it, of at least `SHORTEST` letters and digits.
    """

    id: str
    kind: str
    at: int
    note: str
    into: str
    digest: str
    fragments: tuple[str, ...]


class Fake(NamedTuple):
    """A credential, as lines of a file, and its random parts."""

    text: str
    fragments: tuple[str, ...]


def _drawn(source: Source, letters: str, count: int) -> str:
    """`count` of `letters`, each as likely (rejection sampling). Raises as `source` does."""
    kept: list[str] = []
    while len(kept) < count:
        room = 256 - 256 % len(letters)
        kept += [letters[byte % len(letters)] for byte in source(count) if byte < room]
    return "".join(kept[:count])


def _aws(source: Source) -> Fake:
    name, secret = _drawn(source, _UPPER32, 16), _drawn(source, _BASE62, 40)
    text = f"aws_access_key_id = AKIA{name}\naws_secret_access_key = {secret}"
    return Fake(text, (name, secret))


def _checked(prefix: str) -> Callable[[Source], Fake]:
    """GitHub's form, npm's too: 30 characters and their CRC-32 in base 62, which is made wrong."""

    def make(source: Source) -> Fake:
        body = _drawn(source, _BASE62, 30)
        check, right = "", zlib.crc32(body.encode()) ^ 1
        for _ in range(6):
            right, digit = divmod(right, 62)
            check = _BASE62[digit] + check
        return Fake(f"{prefix}{body}{check}", (body,))

    return make


def _plain(prefix: str, length: int, letters: str = _BASE62) -> Callable[[Source], Fake]:
    def make(source: Source) -> Fake:
        body = _drawn(source, letters, length)
        return Fake(prefix + body, (body,))

    return make


def _slack(source: Source) -> Fake:
    numbers = [_drawn(source, _BASE62[:10], 12) for _ in range(2)]
    body = _drawn(source, _BASE62, 24)
    return Fake(f"xoxb-{numbers[0]}-{numbers[1]}-{body}", (body,))


def _postgres(source: Source) -> Fake:
    """A host below `.invalid`, which never resolves (RFC 2606)."""
    body = _drawn(source, _BASE62, 24)
    return Fake(f"postgres://app:{body}@db.internal.invalid:5432/app", (body,))


KINDS: Final[Mapping[str, tuple[str, Callable[[Source], Fake]]]] = MappingProxyType({
    "aws": ("", _aws),
    "github": ("GITHUB_TOKEN", _checked("ghp_")),
    "gitlab": ("GITLAB_TOKEN", _plain("glpat-", 20)),
    "google": ("GOOGLE_API_KEY", _plain("AIzaSy", 33)),
    "npm": ("NPM_TOKEN", _checked("npm_")),
    "openai": ("OPENAI_API_KEY", _plain("sk-proj-", 48)),
    "password": ("DB_PASSWORD", _plain("", 24)),
    "postgres": ("DATABASE_URL", _postgres),
    "slack": ("SLACK_BOT_TOKEN", _slack),
    "stripe": ("STRIPE_SECRET_KEY", _plain("sk_live_", 24)),
})  # fmt: skip
"""Kind -> the name under which programs keep it, and how one is made."""


def made(
    home: Path, kind: str, *, at: int, note: str, into: str, source: Source = os.urandom
) -> tuple[Canary, str]:
    """A new credential of `kind`, and the lines to plant. Nothing is written. Raises VaultError."""
    name, make = KINDS[kind]
    fake = make(source)
    try:
        key = load_or_create_key(home / KEY, "canary key")
    except AuditError as error:
        raise VaultError(error.message, hint=error.hint) from error
    digest = hashlib.blake2b(fake.text.encode(), digest_size=32, key=key).hexdigest()
    ident = _drawn(source, _HEX, 8)
    canary = Canary(ident, kind, at, note, into, digest, tuple(map(_middle, fake.fragments)))
    return canary, f"{name}={fake.text}" if name else fake.text


def _middle(body: str) -> str:
    """At most 20 characters: whoever has the file of canaries does not have the credential."""
    spare = max(0, len(body) - 20)
    return body[spare // 2 : len(body) - (spare - spare // 2)] if spare else body[2:-2]


def planted(home: Path) -> tuple[Canary, ...]:
    """What is planted. Raises VaultError for a file that cannot be read: never means none."""
    path = home / CANARIES
    try:
        with private.regular(path) as file:
            raw = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise VaultError(
            f"{path}: cannot be read: {error.strerror}",
            hint="make it a plain file of this user, or move it away: then nothing is looked for",
        ) from error
    try:
        rows = orjson.loads(raw)["canaries"]
        found = tuple(Canary(**{**row, "fragments": tuple(row["fragments"])}) for row in rows)
        sound = len(raw) <= MAX_FILE and all(_sound(each.fragments) for each in found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path) from error
    if not sound:
        raise _damaged(path)
    return found


def _sound(given: tuple[Json, ...]) -> bool:
    return bool(given) and all(
        isinstance(each, str) and len(each) >= SHORTEST and each.isascii() and each.isalnum()
        for each in given
    )


def _damaged(path: Path) -> VaultError:
    return VaultError(
        f"{path}: not a list of planted credentials",
        hint=f"move it away, and plant anew with: mcpguard canary new; move {path.name} aside",
    )


def fragments(home: Path) -> tuple[str, ...]:
    """What to look for. Raises VaultError."""
    return tuple(each for canary in planted(home) for each in canary.fragments)


def remember(home: Path, canary: Canary) -> None:
    """Look for `canary` from now on. Raises VaultError."""
    known = planted(home)
    if len(known) >= MAX_CANARIES:
        raise VaultError(
            f"{len(known)} credentials are planted, at most {MAX_CANARIES} are looked for",
            hint="mcpguard canary drop ID",
        )
    _write(home / CANARIES, (*known, canary))


def drop(home: Path, ident: str) -> Canary | None:
    """Look for it no more. None: there is none of that id. Raises VaultError."""
    known = planted(home)
    gone = next((each for each in known if each.id == ident), None)
    if gone is not None:
        _write(home / CANARIES, tuple(each for each in known if each is not gone))
    return gone


def _write(path: Path, canaries: tuple[Canary, ...]) -> None:
    raw = orjson.dumps({"v": 1, "canaries": [each._asdict() for each in canaries]})
    try:
        private.rewrite(path, raw)
    except OSError as error:
        raise VaultError(
            f"{path}: cannot be written: {error.strerror}",
            hint=f"make {path.parent} writable for this user, with room on its disk",
        ) from error
