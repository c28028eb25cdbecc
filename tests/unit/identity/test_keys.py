"""Approvers' keys in a folder: made once, opened by a passphrase, counted by a signed chain."""

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as other_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import IdentityError
from mcpguard.identity.keys import (
    Signer,
    approvers,
    create,
    open_key,
    remove,
    roster,
    verifier,
    verify,
)
from mcpguard.identity.roster import Approver, Entry, entry_line, fingerprint, fold, payload
from mcpguard.identity.sealing import seal, unseal

PHRASE = "correct horse battery"
WORK = 10
"""Log 2 of scrypt's N: fast. What a key is really sealed with, one test measures."""


class Key(NamedTuple):
    signer: Signer
    public: bytes

    def approver(self) -> Approver:
        return Approver(self.signer.name, self.signer.key_id, self.public)


def key(name: str, seed: int) -> Key:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    public = private.public_key().public_bytes_raw()
    return Key(Signer(name, fingerprint(public), private), public)


ANNA, BERT, CARL, EVE = key("anna", 1), key("bert", 2), key("carl", 3), key("eve", 4)


def line(
    files: list[bytes],
    verb: str,
    who: Key,
    by: Key,
    *,
    own: Key | None = None,
    changed: Mapping[str, Any] = MappingProxyType({}),
) -> bytes:
    """An entry after `files`, as `by` would write it."""
    previous = fold(files).head if files else ""
    entry = Entry(len(files) + 1, verb, who.signer.name, who.public, by.signer.key_id, previous)
    entry = entry._replace(**dict(changed))
    text = payload(entry)
    vouched = (own or who).signer.sign(text) if verb == "add" else b""
    return entry_line(entry, vouched, by.signer.sign(text))


def chain(*steps: tuple[str, Key, Key]) -> list[bytes]:
    files: list[bytes] = []
    for step in steps:
        files.append(line(files, *step))
    return files


FIRST = chain(("add", ANNA, ANNA))
TWO = chain(("add", ANNA, ANNA), ("add", BERT, ANNA))
GONE = chain(("add", ANNA, ANNA), ("add", BERT, ANNA), ("remove", ANNA, BERT))
KEY = b'"key":"%s"' % base64.b64encode(ANNA.public)


def names(files: list[bytes]) -> list[str]:
    return [each.name for each in fold(files).approvers]


@pytest.mark.parametrize(
    ("files", "there"),
    [
        ([], []),
        (FIRST, ["anna"]),
        (TWO, ["anna", "bert"]),
        (GONE, ["bert"]),
        (chain(("add", ANNA, ANNA), ("add", BERT, ANNA), ("remove", BERT, BERT)), ["anna"]),
        (chain(("add", ANNA, ANNA), ("remove", ANNA, ANNA)), []),
        (chain(("add", ANNA, ANNA), ("remove", ANNA, ANNA), ("add", BERT, BERT)), ["bert"]),
    ],
)
def test_who_counts_is_what_the_signed_changes_say(files: list[bytes], there: list[str]) -> None:
    assert names(files) == there


def resigned(number: int, by: Key) -> Callable[[], list[bytes]]:
    """The first two changes with one of them replaced."""
    steps = [("add", ANNA, ANNA), ("add", BERT, ANNA)]
    verb, who, _ = steps[number]

    def made() -> list[bytes]:
        return [*TWO[:number], line(TWO[:number], verb, who, by), *TWO[number + 1 :]]

    return made


ATTACKS: dict[str, tuple[Callable[[], list[bytes]], str]] = {
    "adds itself": (lambda: [*FIRST, line(FIRST, "add", EVE, EVE)], "no key that counted"),
    "is first, added by another": (lambda: [line([], "add", ANNA, EVE)], "no key that counted"),
    "names an approver without the key": (
        lambda: [*FIRST, line(FIRST, "add", EVE, EVE, changed={"by": ANNA.signer.key_id})],
        "no key that counted",
    ),
    "adds a key that never agreed": (
        lambda: [line([], "add", EVE, EVE), _unwilling([line([], "add", EVE, EVE)])],
        "the added key did not sign it",
    ),
    "removes another's key": (lambda: [*TWO, line(TWO, "remove", BERT, EVE)], "no key that"),
    "goes on after its removal": (lambda: [*GONE, line(GONE, "add", EVE, ANNA)], "no key that"),
    "comes back after its removal": (
        lambda: [*GONE, line(GONE, "add", ANNA, BERT)],
        "a key that was there before",
    ),
    "takes a name": (
        lambda: [*TWO, line(TWO, "add", key("anna", 9), BERT)],
        "a name that another key has",
    ),
    "removes a key that does not count": (
        lambda: [*TWO, line(TWO, "remove", CARL, BERT)],
        "a key that does not count",
    ),
    "removes a key under another name": (
        lambda: [*TWO, line(TWO, "remove", BERT, BERT, changed={"name": "anna"})],
        "a key that does not count",
    ),
    "adds to a removal": (
        lambda: [*TWO, line(TWO, "remove", BERT, ANNA).replace(b'"own":""', b'"own":"AAAA"')],
        "the added key did not sign it",
    ),
    "takes a change out": (lambda: [GONE[0], GONE[2]], "does not follow"),
    "puts a change first": (lambda: [TWO[1]], "does not follow"),
    "doubles a change": (lambda: [*TWO, TWO[1]], "does not follow"),
    "counts wrong": (
        lambda: [*FIRST, line(FIRST, "add", BERT, ANNA, changed={"number": 3})],
        "not follow",
    ),
    "has another past": (
        lambda: [*FIRST, line(FIRST, "add", BERT, ANNA, changed={"previous": "0" * 64})],
        "does not follow",
    ),
    "becomes the first of those who are there": (resigned(0, EVE), "no key that counted"),
    "vouches for those who are there": (resigned(1, EVE), "no key that counted"),
    "has no such verb": (lambda: [*FIRST, line(FIRST, "promote", BERT, ANNA)], "cannot be read"),
    "has a name that is a path": (
        lambda: [*FIRST, line(FIRST, "add", key("../x", 5), ANNA)],
        "cannot be read",
    ),
    "counts in booleans": (
        lambda: [line([], "add", ANNA, ANNA, changed={"number": True})],
        "cannot be read",
    ),
    "is by a list": (
        lambda: [*FIRST, line(FIRST, "add", BERT, ANNA, changed={"by": []})],
        "cannot be read",
    ),
    "has a number for a key": (lambda: [FIRST[0].replace(KEY, b'"key":1')], "cannot be read"),
    "has no text for a key": (lambda: [FIRST[0].replace(KEY, b'"key":"!"')], "cannot be read"),
    "has a second line": (lambda: [FIRST[0] + b"\n"], "cannot be read"),
    "are too many": (lambda: FIRST * 513, "more than 512 changes"),
    "has a short key": (
        lambda: [line([], "add", ANNA, ANNA, changed={"public": b"x"})],
        "cannot be read",
    ),
}


def _unwilling(files: list[bytes]) -> bytes:
    """Eve adds Anna's public key, which is no secret, to a chain of her own."""
    return line(files, "add", ANNA, EVE, own=EVE)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.guarantee("identity:chain-of-approvers")
def test_a_change_that_nobody_who_counts_signed_is_refused(attack: str) -> None:
    made, message = ATTACKS[attack]
    with pytest.raises(IdentityError, match=message):
        fold(made())


def test_the_signed_bytes_are_a_domain_and_every_field() -> None:
    entry = Entry(2, "add", "bert", b"\xff" * 32, "ed25519:0123456789abcdef", "0" * 64)
    assert payload(entry) == (
        b'mcpguard approver v1\0{"by":"ed25519:0123456789abcdef",'
        b'"key":"//////////////////////////////////////////8=","name":"bert","number":2,'
        b'"previous":"' + b"0" * 64 + b'","v":1,"verb":"add"}'
    )


@given(st.integers(0, 2), st.integers(0, 10_000), st.integers(1, 255))
@pytest.mark.guarantee("identity:chain-of-approvers")
def test_no_byte_of_a_change_can_be_another(which: int, place: int, by: int) -> None:
    changed = bytearray(GONE[which])
    changed[place % len(changed)] ^= by
    with pytest.raises(IdentityError):
        fold([*GONE[:which], bytes(changed), *GONE[which + 1 :]])


@given(st.binary(max_size=300) | st.text('{}[]":,.-01eu\\', max_size=80).map(str.encode))
def test_what_is_no_change_is_an_error_of_ours(raw: bytes) -> None:
    with pytest.raises(IdentityError, match="cannot be read"):
        fold([raw])


def test_a_later_roster_extends_an_earlier_one_and_no_other() -> None:
    early, late = fold(FIRST), fold(GONE)
    other = fold(chain(("add", EVE, EVE)))
    assert [late.extends(early), early.extends(late)] == [True, False]
    assert [other.extends(early), late.extends(other), other.extends(fold([]))] == [
        False,
        False,
        True,
    ]


# --- signatures ----------------------------------------------------------------------------------

BOTH = (ANNA.approver(), BERT.approver())
TEXT = b"mcpguard test\0text"


@pytest.mark.parametrize(
    ("key_id", "text", "signature", "who"),
    [
        (ANNA.signer.key_id, TEXT, ANNA.signer.sign(TEXT), "anna"),
        (BERT.signer.key_id, TEXT, BERT.signer.sign(TEXT), "bert"),
        (BERT.signer.key_id, TEXT, ANNA.signer.sign(TEXT), ""),
        (EVE.signer.key_id, TEXT, EVE.signer.sign(TEXT), ""),
        (ANNA.signer.key_id, TEXT + b".", ANNA.signer.sign(TEXT), ""),
        (ANNA.signer.key_id.upper(), TEXT, ANNA.signer.sign(TEXT), ""),
        ("", TEXT, b"", ""),
        ("", TEXT, bytes(64), ""),
    ],
)
@pytest.mark.guarantee("identity:only-approvers-sign")
def test_a_signature_is_of_the_approver_whose_key_made_it(
    key_id: str, text: bytes, signature: bytes, who: str
) -> None:
    found = verify(BOTH, key_id, text, signature)
    assert (found.name if found else "", verifier(BOTH)(key_id, text, signature)) == (who, who)


@given(
    st.sampled_from(["", ANNA.signer.key_id, EVE.signer.key_id, "ed25519:"]),
    st.binary(max_size=80),
    st.binary(max_size=80) | st.binary(min_size=64, max_size=64),
)
def test_whatever_is_malformed_is_signed_by_nobody(
    key_id: str, text: bytes, signature: bytes
) -> None:
    assert verify(BOTH, key_id, text, signature) is None


# --- the folder ----------------------------------------------------------------------------------


def made(folder: Path, *others: str) -> Path:
    """A folder with anna and `others`, whom she added."""
    place = folder / "data" / "approvers"
    create(place, "anna", PHRASE, work=WORK)
    for name in others:
        create(place, name, PHRASE + name, open_key(place, "anna", PHRASE), work=WORK)
    return place


def test_a_key_is_made_opened_and_signs(tmp_path: Path) -> None:
    place = tmp_path / "approvers"
    assert approvers(place) == ()
    anna = create(place, "anna", PHRASE, work=WORK)
    signer = open_key(place, "anna", PHRASE)
    assert (signer.name, signer.key_id) == ("anna", anna.key_id)
    assert anna.key_id == fingerprint(anna.public)
    assert verify(approvers(place), signer.key_id, TEXT, signer.sign(TEXT)) == anna
    assert {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()} == {
        "anna.key": 0o600,
        "0001.entry": 0o600,
    }
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_second_key_needs_the_passphrase_of_the_first(tmp_path: Path) -> None:
    place = made(tmp_path)
    with pytest.raises(IdentityError, match="without an approver who is there already") as caught:
        create(place, "eve", PHRASE, work=WORK)
    assert caught.value.hint == "add it with the passphrase of one of: anna"
    with pytest.raises(IdentityError, match="no key that counted then signed it"):
        create(place, "eve", PHRASE, EVE.signer, work=WORK)
    assert sorted(path.name for path in place.iterdir()) == ["0001.entry", "anna.key"]
    bert = create(place, "bert", PHRASE, open_key(place, "anna", PHRASE), work=WORK)
    assert [each.name for each in approvers(place)] == ["anna", "bert"]
    assert open_key(place, "bert", PHRASE).key_id == bert.key_id


def test_a_removed_key_signs_nothing_any_more(tmp_path: Path) -> None:
    place = made(tmp_path, "bert")
    before = roster(place)
    anna, bert = open_key(place, "anna", PHRASE), open_key(place, "bert", PHRASE + "bert")
    with pytest.raises(IdentityError, match="no key that counted then signed it"):
        remove(place, "anna", EVE.signer)
    assert remove(place, "anna", bert).key_id == anna.key_id
    assert verify(approvers(place), anna.key_id, TEXT, anna.sign(TEXT)) is None
    assert roster(place).extends(before)
    assert not (place / "anna.key").exists()
    with pytest.raises(IdentityError, match="no key that counted then signed it"):
        create(place, "eve", PHRASE, anna, work=WORK)
    with pytest.raises(IdentityError, match="there is no approver 'anna'"):
        open_key(place, "anna", PHRASE)
    with pytest.raises(IdentityError, match="there is no approver 'anna'"):
        remove(place, "anna", bert)
    again = create(place, "anna", PHRASE, bert, work=WORK)
    assert again.key_id != anna.key_id


@pytest.mark.parametrize(
    "name", ["", "Anna", "a b", "a!", "../x", ".x", "-x", "a" * 33, "ä", "a.key"]
)
def test_a_name_that_is_no_plain_word_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IdentityError, match="cannot be an approver's name"):
        create(tmp_path / "approvers", name, PHRASE, work=WORK)
    assert not (tmp_path / "approvers").exists()


@pytest.mark.parametrize("phrase", ["", "a" * 11, "a" * 257, "twelve\nlines ", "é" * 11])
def test_a_passphrase_that_is_easily_tried_is_refused_and_nothing_is_made(
    tmp_path: Path, phrase: str
) -> None:
    with pytest.raises(IdentityError, match="passphrase"):
        create(tmp_path / "approvers", "anna", phrase, work=WORK)
    assert not (tmp_path / "approvers").exists()


def test_a_passphrase_of_twelve_characters_is_long_enough() -> None:
    sealed = seal(Ed25519PrivateKey.generate(), "a" * 12, WORK)
    assert sealed.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert max(map(len, sealed.split(b"\n"))) <= 64
    assert unseal(sealed, "a" * 12, "x.key").private_bytes_raw()


def test_a_name_that_nobody_has_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(IdentityError) as caught:
        open_key(tmp_path, "carl", PHRASE)
    assert caught.value.hint == "make one with: mcpguard approver add NAME"
    with pytest.raises(IdentityError) as caught:
        open_key(made(tmp_path, "bert"), "carl", PHRASE)
    assert caught.value.hint == "there are: anna, bert"


def test_a_name_that_is_taken_is_refused_and_its_key_stays(tmp_path: Path) -> None:
    place = made(tmp_path)
    before = (place / "anna.key").read_bytes()
    with pytest.raises(IdentityError, match="there is an approver anna already"):
        create(place, "anna", PHRASE, open_key(place, "anna", PHRASE), work=WORK)
    (place / "bert.key").write_bytes(b"somebody's")
    with pytest.raises(IdentityError, match=r"bert\.key: is there already"):
        create(place, "bert", PHRASE, open_key(place, "anna", PHRASE), work=WORK)
    assert (place / "anna.key").read_bytes() == before
    assert (place / "bert.key").read_bytes() == b"somebody's"


def swapped(place: Path) -> None:
    """Anna's file holds another key, sealed with her passphrase."""
    sealed = seal(Ed25519PrivateKey.generate(), PHRASE, WORK)
    (place / "anna.key").write_bytes(sealed)


def elliptic(place: Path) -> None:
    sealed = other_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PHRASE.encode()),
    )
    (place / "anna.key").write_bytes(sealed)


def linked(place: Path) -> None:
    (place / "anna.key").rename(place / "elsewhere")
    (place / "anna.key").symlink_to("elsewhere")


def piped(place: Path) -> None:
    (place / "anna.key").unlink()
    os.mkfifo(place / "anna.key", 0o600)


def gap(place: Path) -> None:
    (place / "0001.entry").rename(place / "0002.entry")


def widened(name: str, mode: int) -> Callable[[Path], None]:
    return lambda place: (place / name).chmod(mode)


def written(name: str, raw: bytes) -> Callable[[Path], None]:
    def write(place: Path) -> None:
        (place / name).write_bytes(raw)

    return write


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "another key": (swapped, "not the key of anna that counts"),
    "another kind of key": (elliptic, "not an Ed25519 key"),
    "a link": (linked, "anna.key: cannot be read or made"),
    "a pipe": (piped, "anna.key: .* not a regular file"),
    "no key": (lambda place: (place / "anna.key").unlink(), "cannot be read or made"),
    "a key for the group": (widened("anna.key", 0o640), "mode 0640"),
    "a key for all": (widened("anna.key", 0o604), "mode 0604"),
    "a change for all": (widened("0001.entry", 0o606), "mode 0606"),
    "a folder for all": (widened(".", 0o705), "mode 0705"),
    "too long a key": (written("anna.key", bytes(5000)), "more than 4096 bytes"),
    "an empty key": (written("anna.key", b""), "cannot be opened"),
    "an empty change": (written("0001.entry", b""), "cannot be read"),
    "a missing change": (gap, "0001.entry is missing"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.guarantee("identity:strict-folder")
def test_a_file_that_is_not_as_it_was_made_is_an_error_that_names_it(
    tmp_path: Path, case: str
) -> None:
    place = made(tmp_path)
    breaks, message = BROKEN[case]
    breaks(place)
    with pytest.raises(IdentityError, match=message) as caught:
        open_key(place, "anna", PHRASE)
    assert caught.value.hint


def test_a_folder_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path)
    for name, message in (("file", "not a plain"), ("link", "not a plain"), ("file/x", "Not a")):
        with pytest.raises(IdentityError, match=message):
            approvers(tmp_path / name)


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    place = made(tmp_path)
    with pytest.raises(IdentityError, match="the passphrase is wrong, or the file is damaged"):
        open_key(place, "anna", PHRASE + "x")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_file_that_is_no_key_is_an_error_of_ours(before: bytes, body: bytes) -> None:
    armoured = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n%s\n-----END ENCRYPTED PRIVATE KEY-----\n"
    for raw in (before, armoured % body):
        with pytest.raises(IdentityError):
            unseal(raw, PHRASE, "x.key")


def test_a_composed_and_a_decomposed_passphrase_are_one(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    sealed = seal(private, "caf\u00e9 caf\u00e9 caf\u00e9", WORK)
    opened = unseal(sealed, "cafe\u0301 cafe\u0301 cafe\u0301", "x.key")
    assert opened.private_bytes_raw() == private.private_bytes_raw()


def test_a_key_is_sealed_by_a_slow_function_that_other_programs_know(tmp_path: Path) -> None:
    place = tmp_path / "approvers"
    create(place, "anna", PHRASE)
    parsed = subprocess.run(
        ["openssl", "asn1parse", "-in", str(place / "anna.key")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert ":PBES2" in parsed
    assert ":scrypt" in parsed
    assert "INTEGER           :010000\n" in parsed
    assert ":aes-256-cbc" in parsed
    assert open_key(place, "anna", PHRASE).name == "anna"


@pytest.mark.guarantee("identity:chain-of-approvers")
def test_of_two_first_approvers_at_once_one_counts(tmp_path: Path) -> None:
    place = tmp_path / "approvers"
    gate = threading.Barrier(4)
    done: list[str] = []

    def start(name: str) -> None:
        gate.wait()
        try:
            done.append(create(place, name, PHRASE, work=WORK).name)
        except IdentityError as error:
            done.append(type(error).__name__)

    threads = [threading.Thread(target=start, args=[f"n{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done)[:3] == ["IdentityError"] * 3
    (first,) = approvers(place)
    assert sorted(path.name for path in place.iterdir()) == ["0001.entry", f"{first.name}.key"]
    assert open_key(place, first.name, PHRASE).key_id == first.key_id
