"""The file of an identity: private, never written over, and nothing but such a key."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mcpguard.errors import IdentityError
from mcpguard.identity.did import did_of
from mcpguard.identity.holder import create, opened

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def pem(
    private: Ed25519PrivateKey | Ed448PrivateKey = PRIVATE,
    form: PrivateFormat = PrivateFormat.PKCS8,
    under: KeySerializationEncryption = NoEncryption(),  # noqa: B008 - immutable
) -> bytes:
    return private.private_bytes(Encoding.PEM, form, under)


@pytest.mark.guarantee("identity:private-key")
def test_a_key_is_made_for_its_user_alone_and_other_tools_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "id.pem"
    holder = create(path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [*path.parent.iterdir()] == [path]
    read = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(read, Ed25519PrivateKey)
    assert did_of(read.public_key().public_bytes_raw()) == holder.did == opened(path).did
    assert holder.sign(b"text") == read.sign(b"text")
    assert pem(read) == path.read_bytes()


@pytest.mark.guarantee("identity:private-key")
def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "id.pem"
    create(path)
    before = path.read_bytes()
    with pytest.raises(IdentityError, match="is there already, and is not written over"):
        create(path)
    assert path.read_bytes() == before


def test_two_keys_are_two(tmp_path: Path) -> None:
    assert create(tmp_path / "a").did != create(tmp_path / "b").did


def test_where_no_key_can_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IdentityError, match="cannot be made: File exists"):
        create(tmp_path / "file" / "id.pem")


@pytest.mark.guarantee("identity:private-key")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "id.pem"
    create(path)
    path.chmod(mode)
    with pytest.raises(IdentityError, match=f"id.pem: the key: open to others .mode 0{mode:o}"):
        opened(path)


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def link(path: Path) -> None:
    create(path.with_name("other"))
    path.symlink_to(path.with_name("other"))


@pytest.mark.guarantee("identity:private-key", "private:regular-only")
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (str, "there is no such key"),
        (folder, "cannot be read: Is a directory"),
        (pipe, "cannot be read: it is not a regular file"),
        (link, "cannot be read: Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    path = tmp_path / "id.pem"
    make(path)
    with pytest.raises(IdentityError, match=why) as caught:
        opened(path)
    assert "mcpguard identity new FILE" in caught.value.hint


WRONG = {
    "nothing": (b"", "not a private key of Ed25519"),
    "no PEM": (bytes(32), "not a private key of Ed25519"),
    "another curve": (pem(Ed448PrivateKey.generate()), "not a private key of Ed25519"),
    "OpenSSH's form": (pem(form=PrivateFormat.OpenSSH), "not a private key of Ed25519"),
    "a passphrase": (pem(under=BestAvailableEncryption(b"x")), "under a passphrase"),
    "a public key": (
        PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "a public key, and the private one belongs here",
    ),
    "two": (pem() * 2, "not a private key of Ed25519"),
    "cut": (pem()[:-30], "not a private key of Ed25519"),
    "no base64": (pem().replace(b"MC4C", b"MC4=C"), "not a private key of Ed25519"),
    "more": (pem() + b"\n" * 5000, "not a private key of Ed25519"),
}


@pytest.mark.parametrize(("content", "why"), WRONG.values(), ids=WRONG)
def test_what_is_no_such_key_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "id.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(IdentityError, match=why) as caught:
        opened(path)
    assert str(path) in caught.value.message
    assert "mcpguard identity new FILE" in caught.value.hint


def test_a_key_that_another_tool_made_is_read(tmp_path: Path) -> None:
    path = tmp_path / "id.pem"
    path.write_bytes(pem().replace(b"\n", b"\r\n"))
    path.chmod(0o600)
    assert opened(path).did == did_of(PRIVATE.public_key().public_bytes_raw())


def test_an_opened_key_shows_nothing_of_itself(tmp_path: Path) -> None:
    assert bytes(range(32)).hex() not in repr(create(tmp_path / "a"))
    assert "object at" in repr(create(tmp_path / "b"))
