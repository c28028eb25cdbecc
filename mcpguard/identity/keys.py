"""The approvers' keys in a folder of this install: 0700, its files 0600, none ever written over.

    NAME.key      the private key of one approver, under a passphrase (`sealing`)
    0001.entry    the first change of who counts, then the second ... (`roster`)

The public keys stand in the entries. What this does not hold against: whoever runs as the same user
can delete it all and begin anew, wait for a passphrase to be typed, or change mcpguard itself. It
holds against what can only read and write files, or talk to a socket.
"""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mcpguard.errors import IdentityError
from mcpguard.identity.roster import (
    EMPTY,
    Approver,
    Entry,
    Roster,
    entry_line,
    fingerprint,
    fold,
    holds,
    payload,
    usable,
)
from mcpguard.identity.sealing import WORK, seal, unseal
from mcpguard.private import fault_of, publish, regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "Approver",
    "Roster",
    "Signer",
    "approvers",
    "create",
    "open_key",
    "remove",
    "roster",
    "verifier",
    "verify",
]

MAX_FILE = 4096
"""Bytes of a key or an entry. What is made here is below 1 KiB."""

_NOBODY = bytes(32)
"""Verified against when nobody has the key id, so that both answers take the same way."""


class Signer:
    """An opened private key. Lives as long as the command that opened it."""

    __slots__ = ("_private", "key_id", "name")

    def __init__(self, name: str, key_id: str, private: "Ed25519PrivateKey") -> None:
        self.name = name
        self.key_id = key_id
        self._private = private

    def sign(self, text: bytes) -> bytes:
        """The Ed25519 signature over `text`, 64 bytes (RFC 8032)."""
        return self._private.sign(text)


def roster(folder: Path) -> Roster:
    """Everybody who counts, and the chain that says so. Nobody when there is no folder.

    Raises IdentityError for a folder or a file that others can reach, that belongs to somebody
    else, or that is not what was written.
    """
    try:
        _refuse_shared(folder, folder.stat(follow_symlinks=False), stat.S_ISDIR)
    except FileNotFoundError:
        return EMPTY
    except OSError as error:
        raise _unreadable(folder, error) from error
    return fold(_entries(folder))


def approvers(folder: Path) -> tuple[Approver, ...]:
    """Everybody who counts, the first added first. Raises what `roster` raises."""
    return roster(folder).approvers


def create(
    folder: Path, name: str, passphrase: str, by: Signer | None = None, *, work: int = WORK
) -> Approver:
    """Makes a key and adds it. `by`: an approver who counts; None for the first one.

    Raises IdentityError, and then nothing was added.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    before = roster(folder)
    _refuse_name(before, name)
    if before.approvers and by is None:
        raise IdentityError(
            f"{name} cannot be added without an approver who is there already",
            hint=f"add it with the passphrase of one of: {_names(before.approvers)}",
        )
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    own = Signer(name, fingerprint(public), private)
    vouching = by or own
    entry = Entry(len(before.heads) + 1, "add", name, public, vouching.key_id, before.head)
    text = payload(entry)
    line = entry_line(entry, own.sign(text), vouching.sign(text))
    sealed = seal(private, passphrase, work)
    key = folder / f"{name}.key"
    _publish(key, sealed, _KEY_THERE)
    try:
        _append(folder, entry.number, line)
    except IdentityError:
        key.unlink()
        raise
    return Approver(name, own.key_id, public)


def open_key(folder: Path, name: str, passphrase: str) -> Signer:
    """The private key of the approver `name`. Raises IdentityError, also for a wrong passphrase."""
    known = roster(folder)
    approver = known.named(name)
    if approver is None:
        there = _names(known.approvers)
        raise IdentityError(
            f"there is no approver {name!r}",
            hint=f"there are: {there}" if there else "make one with: mcpguard approver add NAME",
        )
    path = folder / f"{name}.key"
    private = unseal(_content(path), passphrase, str(path))
    if private.public_key().public_bytes_raw() != approver.public:
        raise IdentityError(
            f"{path}: this is not the key of {name} that counts ({approver.key_id})",
            hint="put the right file back, or have another approver remove it",
        )
    return Signer(name, approver.key_id, private)


def remove(folder: Path, name: str, by: Signer) -> Approver:
    """Ends an approver, who may be `by`, and deletes the key. Raises IdentityError."""
    before = roster(folder)
    approver = before.named(name)
    if approver is None:
        raise IdentityError(
            f"there is no approver {name!r}", hint=f"there are: {_names(before.approvers)}"
        )
    number = len(before.heads) + 1
    entry = Entry(number, "remove", name, approver.public, by.key_id, before.head)
    _append(folder, number, entry_line(entry, b"", by.sign(payload(entry))))
    key = folder / f"{name}.key"
    try:
        key.unlink(missing_ok=True)
    except OSError as error:
        raise IdentityError(
            f"{name} counts no more, but {key} cannot be deleted: {error.strerror}",
            hint="delete it",
        ) from error
    return approver


def verify(
    among: Iterable[Approver], key_id: str, text: bytes, signature: bytes
) -> Approver | None:
    """Who of `among` signed `text`; None for everything else, however malformed."""
    found = next((each for each in among if each.key_id == key_id), None)
    sound = holds(found.public if found else _NOBODY, text, signature)
    return found if sound else None


def verifier(among: Iterable[Approver]) -> Callable[[str, bytes, bytes], str]:
    """`verify` for these approvers, as the name of who signed, or empty."""
    kept = tuple(among)

    def name(key_id: str, text: bytes, signature: bytes) -> str:
        found = verify(kept, key_id, text, signature)
        return found.name if found else ""

    return name


def _names(among: Iterable[Approver]) -> str:
    return ", ".join(each.name for each in among)


def _refuse_name(known: Roster, name: str) -> None:
    if not usable(name):
        raise IdentityError(
            f"{name!r} cannot be an approver's name",
            hint="use 1 to 32 lower-case letters, digits, - and _, a letter or digit first",
        )
    if known.named(name) is not None:
        raise IdentityError(f"there is an approver {name} already", hint="choose another name")


# --- files ---------------------------------------------------------------------------------------

_KEY_THERE = "a key of that name is there, of no approver who counts: move it away"
_CHANGED = "the approvers were changed at the same time: look at them, and try again"


def _append(folder: Path, number: int, line: bytes) -> None:
    """The next entry, if it follows. Whoever comes second of two at once is refused."""
    path = folder / f"{number:04}.entry"
    before = _entries(folder)
    if len(before) != number - 1:
        raise IdentityError(f"{path}: is there already", hint=_CHANGED)
    fold([*before, line])
    _publish(path, line, _CHANGED)


def _entries(folder: Path) -> list[bytes]:
    try:
        paths = sorted(folder.glob("*.entry"))
    except OSError as error:
        raise _unreadable(folder, error) from error
    for number, path in enumerate(paths, 1):
        if path.name != f"{number:04}.entry":
            raise IdentityError(
                f"{folder}: {number:04}.entry is missing, or {path.name} does not belong there",
                hint="restore the folder from a backup, or move it away and begin anew",
            )
    return [_content(path) for path in paths]


def _content(path: Path) -> bytes:
    try:
        with regular(path, links=False) as file:
            _refuse_shared(path, os.fstat(file.fileno()), stat.S_ISREG)
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(raw) > MAX_FILE:
        raise IdentityError(
            f"{path}: more than {MAX_FILE} bytes, a file of an approver has less",
            hint="restore it from a backup",
        )
    return raw


def _refuse_shared(path: Path, status: os.stat_result, kind: Callable[[int], bool]) -> None:
    fault = fault_of(path, status, kind=kind)
    if fault:
        raise IdentityError(f"{path}: {fault.what}", hint=fault.hint)


def _publish(path: Path, content: bytes, taken: str) -> None:
    try:
        made = publish(path, content)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not made:
        raise IdentityError(f"{path}: is there already", hint=taken)


def _unreadable(path: Path, error: OSError) -> IdentityError:
    return IdentityError(
        f"{path}: cannot be read or made: {error.strerror}",
        hint=f"make {path.parent} a folder of this user, with room; move away what is no file",
    )
