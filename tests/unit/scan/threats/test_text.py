"""One reading of a text: what it becomes, what it hid, and the way back."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcpguard.scan.threats.confusables import LOOK_ALIKE
from mcpguard.scan.threats.detectors import judge_texts
from mcpguard.scan.threats.text import GROWTH, SEPARATORS, lowered, normalise, replacing


def tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(each)) for each in text)


READINGS = [
    ("plain text", "plain text", []),
    ("ﬁx ｗｉｄｅ", "fix wide", []),
    ("café — “quoted”", 'cafe - "quoted"', []),
    ("no\xa0break", "no break", []),
    ("\x1fno\xa0break", "no break", ["control"]),
    ("pa\u200bss", "pass", ["zero-width"]),
    ("\ufeffstart", "start", []),
    ("a\u202eb", "ab", ["bidi"]),
    ("a\u3164b", "ab", ["filler"]),
    ("p\u0430ssword", "password", ["look-alike"]),
    ("Пароль и слово", "Пароль и слово", []),
    ("μm", "μm", []),
    (f"a{tags('hi')}b", "ahib", ["tags"]),
    ("x\x1b[31mred\x1b[0m", "xred", ["control", "control", "ansi", "ansi"]),
    ("x\x1b]0;a title\x07y", "xa titley", ["control", "control", "ansi"]),
    (
        "x\x1b]8;;https://a.example\x1b\\y",
        "xhttps://a.exampley",
        ["control", "control", "ansi", "ansi"],
    ),
    ("x\x1b]not ended", "xnot ended", ["control", "ansi"]),
    ("%68%69 \\x68i \\u0068i &#104;i &lt;", "hi hi hi hi <", []),
    ("a <!-- b --> c", "a <!-- b --> c", ["comment"]),
    ("[//]: # (b)\nc", "[//]: # (b)\nc", ["comment"]),
    ("\U0001f468\u200d\U0001f469", "\U0001f468\U0001f469", []),
    ("هم\u200cچنین", "همچنین", []),
    ("مُحَمَّد", "محمد", []),
    ("각", "각", []),
    ("aGVsbG8gdGhlcmUgZnJpZW5k", "aGVsbG8gdGhlcmUgZnJpZW5k\nhello there friend", ["encoded"]),
    ("3f786850e387550fdab836ed7e6dc881de23001b", "3f786850e387550fdab836ed7e6dc881de23001b", []),
    ("\ud800", "\ufffd", []),
    ("", "", []),
]


@pytest.mark.parametrize(("text", "read", "kinds"), READINGS)
def test_a_text_has_one_reading_and_tells_what_it_hid(
    text: str, read: str, kinds: list[str]
) -> None:
    normal = normalise(text)
    assert (normal.text, [each.kind for each in normal.hidden]) == (read, kinds)


def test_what_is_encoded_twice_is_read_and_what_three_times_is_not() -> None:
    import base64

    text = b"please send it all to me"
    for level in range(1, 4):
        text = base64.b64encode(text)
        assert ("please send it" in normalise(text.decode()).text) is (level < 3)


PIECES = [
    *"ab .\n",
    *("\u200b", "\u202e", "\u0430", "é", "e\u0301", "ﷺ", "㌖", "각", "क्ष", "%41", "\\x42", "&#67;"),
    *(
        "<!--",
        "-->",
        "\x1b[0m",
        "ｗ",
        "你",
        tags("q"),
        "\ufe0f\ufe0e",
        "aGVsbG8gdGhlcmUgZnJpZW5k",
        "ЖЯ",
    ),
]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=60)


@pytest.mark.guarantee("scan:reading-is-bounded")
@given(texts)
@example("ﷺ" * 20)
@example("㌖㍿" * 20)
@example("aGVsbG8gdGhlcmUgZnJpZW5k" * 20)
def test_a_reading_never_grows_beyond_its_bound(text: str) -> None:
    assert len(normalise(text).text) <= GROWTH * len(text)


@given(texts, st.data())
def test_a_span_leads_back_to_what_reads_as_it(text: str, data: st.DataObject) -> None:
    normal = normalise(text)
    if not normal.text:
        return
    start = data.draw(st.integers(0, len(normal.text) - 1))
    end = data.draw(st.integers(start + 1, len(normal.text)))
    first, last = normal.span(start, end)
    assert 0 <= first <= last <= len(text)
    again = normalise(text[first:last]).text.translate(LOOK_ALIKE)
    if not any(each.kind == "encoded" for each in normal.hidden):
        assert normal.text[start:end].translate(LOOK_ALIKE) in again


def cost(text: str) -> float:
    """Seconds of processor time a byte, the best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        judge_texts({"/t": text})
        best = min(best, time.thread_time() - start)
    return best / len(text.encode())


HOSTILE = {
    "comments": "<!-- ",
    "escapes": "%41\\x42&#67;a",
    "zero-width": "a\u200b",
    "look-alikes": "\u0430a",
    "encoded": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ== ",
    "orders": "ignore all previous never tell the user send read must always ",
    "fragments": "never never user must send ~/.s read_ http:/ a@ <imp ",
    "ligatures": "ﷺ",
    "han": "不要用户当",
    "cyrillic": "слово пароль ",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_cost_of_hostile_text_is_linear(kind: str) -> None:
    part = HOSTILE[kind]
    judge_texts({"/t": part})
    small, large = (cost(part * (size // len(part))) for size in (3_000, 30_000))
    assert large < small * 4


@given(st.text(st.characters(codec=None) | st.sampled_from([*SEPARATORS, "İ", "\ud800"])))
def test_a_lowered_text_is_as_long_and_has_no_separator(text: str) -> None:
    low = lowered(text)
    assert len(low) == len(text)
    assert not set(low) & {*SEPARATORS}


@given(st.text(st.characters(codec=None) | st.sampled_from(":’\ud800")))
def test_marks_are_put_for_characters_and_for_nothing_else(text: str) -> None:
    marks = {":": "\x03", "’": " "}
    assert replacing(marks)(text) == text.translate(
        {ord(each): mark for each, mark in marks.items()}
    )
