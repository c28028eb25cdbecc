"""Findings that people live with: what one is about, until when, and what is about nothing."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.policy.suppress import Suppression, Suppressions

TODAY = date(2026, 11, 22)
FOUND = ("scan.shadowing.other-tool", "files", "tool read_file")


def row(days: int = 0, **more: str) -> Suppression:
    said = {"rule": "scan.shadowing.*", "reason": "reviewed", **more}
    return Suppression(expires=TODAY + timedelta(days=days), **said)


COVERS = {
    "by its rule": (row(), True),
    "by any rule": (row(rule="*"), True),
    "of another rule": (row(rule="scan.shadow"), False),
    "of the end of a rule": (row(rule="*.other-tool"), True),
    "of the middle of a rule": (row(rule="scan.*ow*-tool"), True),
    "parts in another order": (row(rule="scan.*-tool*ow"), False),
    "overlapping ends": (row(rule=FOUND[0] + "*" + FOUND[0][-1:]), False),
    "of its server": (row(server="files"), True),
    "of another server": (row(server="file"), False),
    "of its item": (row(item="tool read_file"), True),
    "of its item's name": (row(item="read_*"), True),
    "of another kind": (row(item="prompt *"), False),
}


@pytest.mark.parametrize("case", COVERS)
def test_a_suppression_is_about_what_all_its_patterns_match(case: str) -> None:
    one, wanted = COVERS[case]
    assert one.covers(*FOUND) is wanted
    assert (Suppressions([one], TODAY).idle([FOUND]) == [one]) is not wanted


@pytest.mark.guarantee("survey:suppressions-expire")
def test_it_holds_through_its_last_day_and_not_longer() -> None:
    for days, holds in ((1, True), (0, True), (-1, False)):
        one = row(days)
        known = Suppressions([one], TODAY)
        assert known.holding(*FOUND) == (one if holds else None)
        assert known.run_out(*FOUND) == (None if holds else one)


def test_the_one_that_lasts_longest_is_named() -> None:
    short, long, old = row(1), row(9), row(-1)
    known = Suppressions([short, long, old], TODAY)
    assert (known.holding(*FOUND), known.run_out(*FOUND)) == (long, None)


@given(st.lists(st.sampled_from(["a", "b", "*"]), max_size=6), st.text("ab", max_size=8))
def test_a_star_is_any_text(parts: list[str], text: str) -> None:
    pattern = "".join(parts)
    assert row(rule=pattern).covers(text, "", "") is reaches(pattern, text)


def reaches(pattern: str, text: str) -> bool:
    """The same, by trying every way."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return reaches(pattern[1:], text) or (bool(text) and reaches(pattern, text[1:]))
    return bool(text) and text[0] == pattern[0] and reaches(pattern[1:], text[1:])
