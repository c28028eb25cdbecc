"""The quarantine: results that a model was not given, sealed until a person has read them.

    <data dir>/quarantine.key        32 random bytes, 0600
    <data dir>/quarantine/<ID>       8 bytes MAGIC, 12 bytes nonce, AES-256-GCM of the entry

The entry is one JSON object; the id is authenticated with it, so that no file passes for another.
Every function blocks; what goes wrong is a `VaultError`.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from mcpguard.audit.key import load_or_create_key
from mcpguard.errors import AuditError, VaultError
from mcpguard.model import JsonObject
from mcpguard.private import regular

__all__ = ["MAX_ENTRIES", "MAX_ENTRY", "MAX_TOTAL", "Entry", "Quarantine", "digest_of", "typed"]

FOLDER: Final = "quarantine"
KEY: Final = "quarantine.key"
MAGIC: Final = b"mcpgq\x00\x01\n"

MAX_ENTRY = 16 * 1024 * 1024
"""Bytes of one entry. The wire takes lines of 8 MiB, and JSON may escape them."""

MAX_ENTRIES = 256
"""Entries of one install: more than anybody reads."""

MAX_TOTAL = 64 * 1024 * 1024
"""Bytes of all of them: a server that answers with nothing else must not fill the disk."""

_NONCE = 12
"""Bytes (NIST SP 800-38D, 8.2.2: random). Far below 2**32 entries under one key."""

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 8

_NO_ENTRY = frozenset((errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.EINVAL))
"""Why a file does not open that is none of ours: it is gone, a link, or no regular file."""

Source = Callable[[int], bytes]


class Entry(NamedTuple):
    """One quarantined result. `at`, `until`: Unix seconds. `error`: `body` is an error object.

    `released`: what a person let on (`text` or `retry`, as `admits` of the record), and when last.
    """

    id: str
    server: str
    principal: str
    session: str
    method: str
    target: str
    at: int
    until: int
    why: str
    rules: tuple[str, ...]
    error: bool
    body: JsonObject
    size: int = 0
    released: tuple[tuple[str, int], ...] = ()

    @property
    def digest(self) -> str:
        """See `digest_of`."""
        return digest_of(self.method, self.target, self.body)


def digest_of(method: str, target: str, body: JsonObject) -> str:
    """What a release is bound to: `sha256:` over method, target and what a model reads of `body`.

    `_meta` is not in it: it is not read, and often says when.
    """
    shown = {key: value for key, value in body.items() if key != "_meta"}
    raw = orjson.dumps([method, target, shown], option=orjson.OPT_SORT_KEYS)
    return f"sha256:{hashlib.sha256(b'mcpguard quarantine v1' + raw).hexdigest()}"


def typed(text: str) -> str:
    """An id as a person typed it, as it was meant."""
    return text.strip().replace("-", "").lower().translate(str.maketrans("ilo", "110"))


class Quarantine:
    """The quarantine of the data directory `home`. Of any thread; nothing is held open.

    `room`: bytes of all entries. `most`: entries.
    """

    def __init__(
        self,
        home: Path,
        source: Source = os.urandom,
        *,
        room: int = MAX_TOTAL,
        most: int = MAX_ENTRIES,
    ) -> None:
        self._folder, self._key_path = home / FOLDER, home / KEY
        self._source, self._room, self._most = source, room, most

    def put(self, entry: Entry) -> str:
        """Keep `entry` under a new id, which is given; the oldest of the same server make room.

        Raises VaultError: it is too large, all room is taken by other servers, the disk is full.
        """
        number = int.from_bytes(self._source(5), "big")
        name = "".join(_LETTERS[number >> 5 * at & 31] for at in range(_LENGTH))
        try:
            raw = orjson.dumps({**entry._asdict(), "id": name})
        except TypeError as error:
            raise VaultError("a result with numbers no other program reads is not kept") from error
        if len(raw) > MAX_ENTRY:
            raise VaultError(f"a result of {len(raw)} bytes is too large for the quarantine")
        try:
            self._make_room(entry, len(raw))
            self._write(name, self._sealed(name, raw))
        except OSError as error:
            raise self._unusable(error) from error
        return name

    def every(self, now: int) -> list[Entry]:
        """What is kept and has not expired, the oldest first; without what cannot be opened."""
        entries = [each for name in self._names() if (each := self._opened(name)) is not None]
        return sorted((each for each in entries if now < each.until), key=lambda each: each.at)

    def get(self, name: str, now: int) -> Entry | None:
        """The entry `name`; None when there is none, or it has expired."""
        entry = self._opened(name) if name in self._names() else None
        return entry if entry is not None and now < entry.until else None

    def mark(self, name: str, admits: str, now: int) -> bool:
        """Seal an entry anew, with what was released of it at `now`. False: there is none."""
        entry = self.get(name, now)
        if entry is None:
            return False
        released = {**dict(entry.released), admits: now}
        raw = orjson.dumps(entry._replace(released=tuple(released.items()))._asdict())
        try:
            self._write(name, self._sealed(name, raw))
        except OSError as error:
            raise self._unusable(error) from error
        return True

    def drop(self, name: str) -> bool:
        """Delete an entry. False: there is none of that name."""
        if name not in self._names():
            return False
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        return True

    def sweep(self, now: int) -> list[str]:
        """Delete what has expired or cannot be opened any more. The ids."""
        kept = {entry.id for entry in self.every(now)}
        return [name for name in self._names() if name not in kept and self.drop(name)]

    # files

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as there:
                found = sorted(
                    each.name for each in there if not each.is_dir(follow_symlinks=False)
                )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unusable(error) from error
        return [name for name in found if len(name) == _LENGTH and set(name) <= set(_LETTERS)]

    def _sizes(self) -> Iterator[int]:
        """Bytes of each entry; of one that another session has just dropped, nothing."""
        for name in self._names():
            with suppress(FileNotFoundError):
                yield (self._folder / name).stat(follow_symlinks=False).st_size

    def _make_room(self, entry: Entry, size: int) -> None:
        """Looks at sizes alone, until there is no room: then into the entries, for a quarter."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sizes = list(self._sizes())
        if len(sizes) < self._most and sum(sizes) + size <= self._room:
            return
        self.sweep(entry.at)
        kept = self.every(entry.at)
        count, total = len(kept), sum(each.size for each in kept)
        for each in [one for one in kept if one.server == entry.server]:
            if count <= self._most * 3 // 4 and total + size <= self._room * 3 // 4:
                return
            count, total = count - 1, total - each.size
            self.drop(each.id)
        if count >= self._most or total + size > self._room:
            raise VaultError("the quarantine is full", hint="mcpguard quarantine list")

    def _write(self, name: str, data: bytes) -> None:
        draft = self._folder / f".{name}"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            draft.rename(self._folder / name)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def _read(self, name: str) -> bytes | None:
        try:
            with regular(self._folder / name, links=False) as file:
                return file.read(MAX_ENTRY + 1024)
        except OSError as error:
            if error.errno in _NO_ENTRY:
                return None
            raise self._unusable(error) from error  # it may be one: `sweep` must not delete it

    # sealing

    def _key(self) -> bytes:
        try:
            return load_or_create_key(self._key_path, "quarantine key")
        except AuditError as error:
            raise VaultError(error.message, hint=error.hint) from error

    def _sealed(self, name: str, raw: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self._source(_NONCE)
        return MAGIC + nonce + AESGCM(self._key()).encrypt(nonce, raw, _bound(name))

    def _opened(self, name: str) -> Entry | None:
        """None for what is no entry of this key and this name."""
        data, at = self._read(name), len(MAGIC) + _NONCE
        if data is None or len(data) < at or not data.startswith(MAGIC):
            return None
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            raw = AESGCM(self._key()).decrypt(data[len(MAGIC) : at], data[at:], _bound(name))
        except InvalidTag:
            return None
        told = orjson.loads(raw)
        released = tuple((admits, at) for admits, at in told.get("released", ()))
        parts = {"rules": tuple(told["rules"]), "size": len(data), "released": released}
        return Entry(**{**told, **parts})

    def _unusable(self, error: OSError) -> VaultError:
        return VaultError(
            f"{self._folder}: the quarantine cannot be used: {error.strerror}",
            hint="make room, or check that this user may read and write all of it",
        )


def _bound(name: str) -> bytes:
    """What is authenticated with an entry: the format, and its own name."""
    return MAGIC + name.encode()
