"""Planted credentials: valid nowhere, written nowhere else, and known again in every disguise."""

import base64
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import VaultError
from mcpguard.model import Json
from mcpguard.scan import find
from mcpguard.vault import CANARIES
from mcpguard.vault.canaries import (
    KINDS,
    MAX_CANARIES,
    Canary,
    drop,
    fragments,
    made,
    planted,
    remember,
)
from mcpguard.vault.disguises import SHORTEST, detector

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FRAGMENT = "aB3dE5fG7hJ9kL2m"
WHOLE = f"AKIA{FRAGMENT}ZZ"


def plant(home: Path, kind: str) -> tuple[Canary, str]:
    canary, text = made(home, kind, at=5, note="bait", into="/x/.env")
    remember(home, canary)
    return canary, text


@pytest.mark.guarantee("scan:canary-never-passes")
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_credential_is_known_again_and_is_not_kept(kind: str, tmp_path: Path) -> None:
    canary, text = plant(tmp_path, kind)
    assert planted(tmp_path) == (canary,)
    assert fragments(tmp_path) == canary.fragments
    look = detector(canary.fragments)
    assert look is not None
    assert len(find({"x": text}, (look,))) >= len(canary.fragments)
    assert find({"x": made(tmp_path, kind, at=5, note="", into="")[1]}, (look,)) == ()
    path = tmp_path / CANARIES
    assert path.stat().st_mode & 0o777 == 0o600
    secrets = [each for each in re.findall(r"[A-Za-z0-9_-]{16,}", text) if each.isalnum()]
    assert [each for each in secrets if each in path.read_text()] == []
    assert all(len(each) >= SHORTEST for each in canary.fragments)


@pytest.mark.parametrize("kind", ["github", "npm"])
def test_a_checksum_is_wrong_so_nobody_ever_issued_it(kind: str, tmp_path: Path) -> None:
    _, text = made(tmp_path, kind, at=5, note="", into="")
    token = text.rpartition("_")[2]
    body, check = token[:30], token[30:]
    value = 0
    for letter in check:
        value = value * 62 + LETTERS.index(letter)
    assert (len(token), value == zlib.crc32(body.encode())) == (36, False)


DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "zero width": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "tag characters": "\U000e0041".join,
    "blanks": " ".join,
    "hyphens": "-".join,
    "quotes and plus": '" + "'.join,
    "two lines": lambda text: f"{text[:9]}\n    {text[9:]}",
    "percent": lambda text: "".join(f"%{ord(each):02X}" for each in text),
    "percent twice": lambda text: "".join(f"%25{ord(each):02x}" for each in text),
    "percent in part": lambda text: f"{text[:9]}%{ord(text[9]):02x}{text[10:]}",
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "hex bytes": lambda text: text.encode().hex(" "),
    "hex colons": lambda text: text.encode().hex(":"),
    "C escapes": lambda text: "".join(f"\\x{ord(each):02x}" for each in text),
    "JSON escapes": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    "HTML": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "HTML hex": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "full width": lambda text: "".join(chr(ord(each) + 0xFEE0) for each in text),
    "backwards": lambda text: text[::-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of more": lambda text: base64.b64encode(b"x" + text.encode() + b"y").decode(),
    "base64 of still more": lambda text: base64.b64encode(b"xy" + text.encode() + b"z").decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(
        b"\xff\xff\xff" + text.encode()
    ).decode(),
    "base64 lines": lambda text: base64.encodebytes(b"-" * 45 + text.encode()).decode(),
}


@pytest.mark.guarantee("scan:canary-never-passes")
@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_a_disguise_does_not_hide_it(disguise: Callable[[str], str]) -> None:
    look = detector([FRAGMENT])
    assert look is not None
    assert find({"x": f"see: {disguise(WHOLE)}."}, (look,)) != ()
    assert find({disguise(WHOLE): 1}, (look,)) != ()


@given(
    st.text(LETTERS, min_size=SHORTEST, max_size=20),
    st.sampled_from([*DISGUISES.values()]),
    st.text(max_size=5),
)
def test_no_random_credential_escapes_its_detector(
    fragment: str, disguise: Callable[[str], str], around: str
) -> None:
    look = detector([fragment])
    assert look is not None
    assert find({"x": f"{around}\n{disguise(fragment + 'ab')}\n{around}"}, (look,)) != ()


def test_others_are_left_alone_and_nothing_is_looked_for_where_nothing_is_planted() -> None:
    assert detector([]) is None
    look = detector([FRAGMENT])
    assert look is not None
    honest: list[Json] = [
        FRAGMENT[:-1],
        "AKIAIOSFODNN7EXAMPLE",
        base64.b64encode(b"hello" * 20).decode(),
    ]
    assert find(honest, (look,)) == ()


def test_dropping_ends_the_watch(tmp_path: Path) -> None:
    canary, _ = plant(tmp_path, "aws")
    other, _ = plant(tmp_path, "stripe")
    assert drop(tmp_path, canary.id) == canary
    assert drop(tmp_path, canary.id) is None
    assert planted(tmp_path) == (other,)


def row(fragments: str) -> str:
    """A file with one canary that has these fragments."""
    words = '"id":"a","kind":"aws","at":1,"note":"","into":"","digest":""'
    return f'{{"canaries": [{{{words},"fragments":{fragments}}}]}}'


DAMAGED = [
    "",
    "{}",
    "[]",
    '{"canaries": [{}]}',
    row("[]"),
    row('["short"]'),
    row('["(a|b)*(a|b)*c"]'),
]


@pytest.mark.guarantee("scan:canary-never-passes")
@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_never_means_that_nothing_is_planted(text: str, tmp_path: Path) -> None:
    (tmp_path / CANARIES).write_text(text)
    with pytest.raises(VaultError, match="not a list of planted"):
        planted(tmp_path)
    with pytest.raises(VaultError):
        drop(tmp_path, "a")


def test_there_is_a_limit(tmp_path: Path) -> None:
    canary, _ = made(tmp_path, "password", at=5, note="", into="")
    for _ in range(MAX_CANARIES):
        remember(tmp_path, canary)
    with pytest.raises(VaultError, match="at most"):
        remember(tmp_path, canary)


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    canary, _ = made(tmp_path, "password", at=5, note="", into="")
    with pytest.raises(VaultError, match="cannot be written"):
        remember(tmp_path / "not" / "there", canary)
