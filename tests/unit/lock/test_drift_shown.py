"""How drift is shown: hidden characters visible, long texts cut, in reasonable time."""

import pytest

from mcpguard.lock.drift import compare_item
from mcpguard.lock.wording import SHOWN, shown
from mcpguard.model import ItemKind
from tests.unit.lock.surfaces import TOOL, lock, put, surface

VISIBLE = [
    ("plain", "plain"),
    ("a\nb\tc", "a b c"),
    ("\x1b[2J", "<U+001B>[2J"),
    ("\u202eevil", "<U+202E>evil"),
    ("zero\u200bwidth\ufeff", "zero<U+200B>width<U+FEFF>"),
    ("\U000e0041", "<U+E0041>"),
    ("a\ufe0fb\U000e0100", "a<U+FE0F>b<U+E0100>"),
    ("no\u00a0break", "no<U+00A0>break"),
    ("\x85\u2028", "<U+0085><U+2028>"),
    ("half \ud800", "half <U+D800>"),
    ("é€\U0001f600", "é€\U0001f600"),
]


@pytest.mark.guarantee("drift:hidden-characters-are-shown")
@pytest.mark.parametrize(("text", "visible"), VISIBLE)
def test_hidden_characters_are_made_visible(text: str, visible: str) -> None:
    assert shown(text) == visible


@pytest.mark.parametrize("length", [SHOWN + 1, 4 * SHOWN, 100_000])
def test_long_texts_are_cut_and_the_rest_is_counted(length: int) -> None:
    assert shown("x" * length) == "x" * SHOWN + f"... ({length - SHOWN} more characters)"


def test_long_and_many_sentenced_descriptions_are_compared_in_reasonable_time() -> None:
    before = put(TOOL, "description", "One. " * 20_000 + "Same.")
    item = lock(surface(tools=[before])).item(ItemKind.TOOL, "write_file")
    assert item is not None
    live = put(TOOL, "description", "Two. " * 20_000 + "Same.")
    (finding,) = compare_item(ItemKind.TOOL, item, live)
    assert 'description now says: "Two.' in finding.message
    assert len(finding.message) < 3 * SHOWN
