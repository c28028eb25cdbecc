"""The operator's own patterns: what each form matches, and what does not load."""

import pytest

from mcpguard.errors import UsageError
from mcpguard.scan.needles import Meter
from mcpguard.scan.patterns import MAX_PATTERN, MAX_PATTERNS, Action, Form, Pattern, Patterns

DENY = Action.DENY


def one(form: Form, text: str, action: Action = DENY) -> Patterns:
    return Patterns.of([Pattern("p", form, text, action)], "gateway.patterns")


MATCHES = [
    (Form.SUBSTRING, "secret", "a SECRET b", [(2, 8)]),
    (Form.SUBSTRING, "a.c", "abc a.c", [(4, 7)]),
    (Form.SUBSTRING, "(x|y)*", "(x|y)* x", [(0, 6)]),
    (Form.SUBSTRING, "größe", "GRÖSSE GRÖßE", [(7, 12)]),
    (Form.SUBSTRING, "\\d", "5 \\d", [(2, 4)]),
    (Form.SUBSTRING, "no", "yes", []),
    (Form.GLOB, "*.internal", "db.INTERNAL", [(0, 11)]),
    (Form.GLOB, "*.internal", "db.internal.example", []),
    (Form.GLOB, "a?c", "a\nc", [(0, 3)]),
    (Form.GLOB, "a?c", "xabc", []),
    (Form.GLOB, "[a]*", "[A]\nx", [(0, 5)]),
    (Form.GLOB, "*", "", []),
    (Form.RE2, "ab+", "xabbb AB", [(1, 5)]),
    (Form.RE2, "(?i)ab", "AB ab", [(0, 2), (3, 5)]),
    (Form.RE2, "^x$", "x\nx", []),
    (Form.RE2, r"\bp\w+", "é pq", [(2, 4)]),
]


@pytest.mark.parametrize(("form", "text", "value", "spans"), MATCHES)
def test_each_form_matches_where_it_says(
    form: Form, text: str, value: str, spans: list[tuple[int, int]]
) -> None:
    found = list(one(form, text).spans(value, Meter(9)))
    assert [(start, end) for start, end, _, _ in found] == spans
    assert {rule for _, _, rule, _ in found} <= {"pattern:p"}


BAD = [
    (Pattern("p", Form.RE2, "a(", DENY), "not a pattern"),
    (Pattern("p", Form.RE2, r"(?=a)", DENY), "not a pattern"),
    (Pattern("p", Form.RE2, r"(a)\1", DENY), "not a pattern"),
    (Pattern("p", Form.RE2, "a{2000}", DENY), "not a pattern"),
    (Pattern("p", Form.RE2, "\ud800", DENY), "not a pattern"),
    (Pattern("p", Form.RE2, "a*", DENY), "everything"),
    (Pattern("p", Form.RE2, "", DENY), "0 characters"),
    (Pattern("p", Form.SUBSTRING, "x" * (MAX_PATTERN + 1), DENY), "513 characters"),
    (Pattern("", Form.SUBSTRING, "x", DENY), "a name has"),
    (Pattern("P q", Form.SUBSTRING, "x", DENY), "a name has"),
    (Pattern("p", Form.SUBSTRING, "mcpguard", Action.REDACT), "put in its place"),
    (Pattern("p", Form.RE2, ".", Action.REDACT), "put in its place"),
    (Pattern("p", Form.GLOB, "[*", Action.REDACT), "put in its place"),
    (Pattern("good", Form.SUBSTRING, "x", DENY), "twice"),
]


@pytest.mark.guarantee("scan:patterns-load-or-fail")
@pytest.mark.parametrize(("row", "message"), BAD)
def test_a_pattern_that_cannot_be_used_is_a_load_error_with_its_place(
    row: Pattern, message: str
) -> None:
    good = Pattern("good", Form.SUBSTRING, "x", DENY)
    with pytest.raises(UsageError, match=rf"^gateway\.patterns\[1\]: .*{message}"):
        Patterns.of([good, row], "gateway.patterns")


def test_too_many_patterns_are_a_load_error() -> None:
    rows = [Pattern(f"p{n}", Form.SUBSTRING, "x", DENY) for n in range(MAX_PATTERNS + 1)]
    with pytest.raises(UsageError, match="201 patterns"):
        Patterns.of(rows)


def test_actions_are_known_by_rule() -> None:
    rows = [Pattern("a", Form.GLOB, "x", DENY), Pattern("b", Form.GLOB, "y", Action.REDACT)]
    assert Patterns.of(rows).actions() == {"pattern:a": DENY, "pattern:b": Action.REDACT}
    assert not Patterns.of([])
