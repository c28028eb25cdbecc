"""What is shown of somebody else's text: each character that hides, or steers a terminal."""

import pytest

from mcpguard.wire.visible import printable, shows

SHOWN = {
    "plain": "all is well",
    "a sign beside a letter beyond ASCII": "\u00fc!",
    "letters of others": "\u00fc \u4e2d \u0939\u093f",
    "emoji with its selector": "\u2764\ufe0f",
    "just before the selectors": "\ufdff",
    "just behind the other selectors": "!",
}
HIDDEN = {
    "line break": ("a\nb", "a\\nb"),
    "carriage return": ("a\rb", "a\\rb"),
    "tab": ("a\tb", "a\\tb"),
    "bell": ("\a", "<U+0007>"),
    "escape": ("\x1b[2J", "<U+001B>[2J"),
    "delete": ("\x7f", "<U+007F>"),
    "control of one byte": ("\x9b", "<U+009B>"),
    "beside a letter beyond ASCII": ("\u00fc\x1b", "\u00fc<U+001B>"),
    "right to left": ("\u202e", "<U+202E>"),
    "zero width": ("\u200b", "<U+200B>"),
    "line separator": ("\u2028", "<U+2028>"),
    "odd space": ("\u3000", "<U+3000>"),
    "tag": ("\U000e0041", "<U+E0041>"),
    "first selector": ("\ufe00", "<U+FE00>"),
    "last selector but that of emoji": ("\ufe0e", "<U+FE0E>"),
    "first of the other selectors": ("\U000e0100", "<U+E0100>"),
    "last of the other selectors": ("\U000e01ef", "<U+E01EF>"),
    "fillers": ("\u115f\u1160\u3164\uffa0", "<U+115F><U+1160><U+3164><U+FFA0>"),
    "empty braille": ("\u2800", "<U+2800>"),
    "lone surrogate": ("\ud800", "<U+D800>"),
}


@pytest.mark.guarantee("cli:printable-only")
@pytest.mark.parametrize("text", SHOWN.values(), ids=SHOWN)
def test_what_a_person_sees_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.guarantee("cli:printable-only")
@pytest.mark.parametrize(("text", "told"), HIDDEN.values(), ids=HIDDEN)
def test_what_hides_or_steers_is_written_out(text: str, told: str) -> None:
    assert printable(text) == told
    assert any(not shows(char) for char in text)
    assert printable(told) == told
