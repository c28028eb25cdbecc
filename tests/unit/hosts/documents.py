"""Hosts' files as hypothesis draws them: any values, any layout, one server among them."""

import json
from typing import NamedTuple

from hypothesis import strategies as st

from mcpguard.hosts.entry import steers

GAPS = st.sampled_from(
    ["", "", " ", "\n  ", "\r\n\t", "/* , } ] */", '// "x": {\n', "\n\n", "/**/"]
)
"""What may stand between two tokens."""

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OWN_KEYS = ("command", "args", "env", "cwd", "type", "url", "serverUrl")


class Document(NamedTuple):
    data: bytes
    path: tuple[str, ...]


class Layout:
    """Writes values with a drawn gap at every place where JSON allows one."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def gap(self) -> str:
        return self._draw(GAPS)

    def scalar(self, value: object) -> str:
        return json.dumps(value, ensure_ascii=self._draw(st.booleans()))

    def of(self, value: object) -> str:
        if isinstance(value, dict):
            pairs = (
                f"{self.scalar(key)}{self.gap()}:{self.gap()}{self.of(item)}"
                for key, item in value.items()
            )
            return self._closed("{", [*pairs], "}")
        if isinstance(value, list):
            return self._closed("[", [self.of(item) for item in value], "]")
        return self.scalar(value)

    def _closed(self, opening: str, parts: list[str], closing: str) -> str:
        inside = f"{self.gap()},{self.gap()}".join(parts)
        return f"{opening}{self.gap()}{inside}{self.gap()}{closing}"


@st.composite
def entries(draw: st.DrawFn) -> dict[str, object]:
    """An entry that can be wrapped, its keys in any order."""
    entry: dict[str, object] = {
        key: value
        for key, value in draw(st.dictionaries(TEXTS, VALUES, max_size=2)).items()
        if key not in OWN_KEYS
    }
    entry["command"] = draw(WORDS.filter(bool))
    optional: dict[str, st.SearchStrategy[object]] = {
        "args": st.lists(WORDS, max_size=3),
        "env": st.dictionaries(WORDS.filter(lambda name: not steers(name)), WORDS),
        "cwd": TEXTS,
        "type": st.just("stdio"),
    }
    for key, values in optional.items():
        if draw(st.booleans()):
            entry[key] = draw(values)
    keys = draw(st.permutations([*entry]))
    return {key: entry[key] for key in keys}


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A file that holds the entry of one server, and where."""
    others = st.dictionaries(TEXTS, VALUES, max_size=2)
    name = draw(TEXTS)
    servers = {**draw(others), name: draw(entries()), **draw(others)}
    servers[name] = draw(entries())
    path = draw(st.sampled_from([("mcpServers",), ("projects", "/a b", "mcpServers")]))
    value: object = servers
    for key in reversed(path):
        value = {**draw(others), key: value}
    layout = Layout(draw)
    text = layout.gap() + layout.of(value) + layout.gap()
    start = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return Document(start + text.encode(), (*path, name))
