"""The manifest, the tests and SECURITY.md agree in every direction."""

import re
from pathlib import Path

import pytest

from tests.guarantees import BEGIN, END, GUARANTEES, Mutant, render, worn
from tests.tools import ROOT

ID = re.compile(r"[a-z]+:[a-z0-9]+(-[a-z0-9]+)*")


def test_every_guarantee_is_worn_by_a_test() -> None:
    assert sorted(set(GUARANTEES) - set(worn())) == []


def test_every_worn_id_is_in_the_manifest() -> None:
    assert sorted(set(worn()) - set(GUARANTEES)) == []


def test_ids_are_room_and_short_name() -> None:
    assert [name for name in GUARANTEES if not ID.fullmatch(name)] == []


def test_behaviours_are_sentences_of_one_line() -> None:
    texts = [text for item in GUARANTEES.values() for text in (item.behaviour, item.source)]
    assert [text for text in texts if not text.strip() or "\n" in text or "|" in text] == []


def test_every_mutant_applies_to_the_code_as_it_is(tmp_path: Path) -> None:
    problems = []
    for name, item in GUARANTEES.items():
        copy = tmp_path / item.mutant.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / "mcpguard" / item.mutant.file).read_bytes())
        try:
            item.mutant.apply(tmp_path)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    assert problems == []


def test_security_md_holds_the_rendered_table() -> None:
    text = (ROOT / ".github" / "SECURITY.md").read_text("utf-8")
    table = text[text.index(BEGIN) : text.index(END) + len(END)]
    assert table == render(), "run: scripts/guarantees --write"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("absent", "x", "occurs 0 times"),
        ("twice", "x", "occurs 2 times"),
        ("once", "one two", "is not Python"),
    ],
)
def test_a_mutant_that_cannot_apply_says_why(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "room.py").write_text("once\ntwice\ntwice\n", "utf-8")
    with pytest.raises(ValueError, match=message):
        Mutant("room.py", old, new).apply(tmp_path)
