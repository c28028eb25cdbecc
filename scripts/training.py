"""What scripts/train learns from: texts as sentences, each with what it is, and how that is fitted.

A row that steers names the strings that do (`bad`); of a row that names none, the sentence that
reads most like one is taken, as the model of the round before sees it (multiple-instance learning).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from mcpguard.scan.threats.classifier import Sentence, brought, listed, sentences
from mcpguard.scan.threats.classifier.fastpath import BITS, glance
from mcpguard.scan.threats.classifier.model import BESIDE, packed
from mcpguard.scan.threats.definition import Known, View, texts_of
from mcpguard.scan.threats.detectors.resemblance import told_in
from mcpguard.scan.threats.engine import own_reading
from mcpguard.scan.threats.outputs import REVIEW
from mcpguard.scan.threats.outputs.judging import framed
from mcpguard.scan.threats.text import normalise

STRENGTH = 30.0
"""Inverse of the regularisation (C of scikit-learn), chosen by leaving out one voice at a time."""

STEERING = 2.0
"""Times that a sentence which steers counts: there are few."""

UNSEEN = 0.02
"""Share of the sentences which steer that the first look may pass over: it makes it quick."""

NEVER = -20.0
"""Log-odds of what was passed over."""

ROUNDS = 2
"""Of choosing the sentences of rows that name none."""

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "scan"

LONGEST = 20_000
"""Characters of an honest result that are learned from."""

SKIPPED = frozenset("DF")
"""Families that are not about sentences: names, and what is not seen."""

WORDLESS = frozenset(["hidden_unicode", "impersonation", "resemblance", "rug_pull"])
"""Detectors whose bad fixtures are not bad by their sentences, and the one that is learned."""

LARGEST = 127
"""A weight in the file: from minus this, one byte."""


class Unit(NamedTuple):
    """The features of a sentence, and those of its manner."""

    own: Sequence[int]
    manner: Sequence[int] = ()


@dataclass
class Example:
    """One text, which is all of `body`.

    `steers`: whether any of it does. `units`: the features of each sentence; `labels`: 1 it steers,
    0 it does not, -1 nobody said. `said`: the sentences, for people.
    """

    group: str
    family: str
    steers: bool
    body: Any
    units: list[Unit]
    words: list[Unit]
    labels: list[int]
    said: list[str]


def definition_of(row: dict[str, Any]) -> dict[str, Any]:
    """The definition that a short row stands for."""
    properties = {
        name: {"type": "string", "description": text}
        for name, text in row.get("arguments", {}).items()
    }
    schema = {"type": "object", "properties": properties}
    return {"name": row["name"], "description": row["description"], "inputSchema": schema}


def of_definition(
    group: str, family: str, definition: dict[str, Any], bad: Sequence[str] = ()
) -> Example:
    """A definition as an example."""
    view = View(None, definition, texts_of(definition), Known())
    found = Example(group, family, family != "honest", definition, [], [], [], [])
    spans = _spans(view.text, bad)
    told = told_in(view, own_reading(view))
    for at, features, manner in listed(view.text, *told, range(len(told.sentences))):
        both = features | {one + (1 << BITS) for one in features}
        own = sorted(both if told.arguments[at] else features)
        found.units.append(Unit(own, sorted(manner)))
        _add(found, view.text, told.sentences[at], spans)
    return found


def of_result(group: str, family: str, text: str, bad: Sequence[str] = ()) -> Example:
    """A text that a tool brought as an example."""
    found = Example(group, family, family == "output", text, [], [], [], [])
    read = normalise(text).text
    spans = _spans(read, bad)
    told = list(sentences(read))
    for at, features in brought(read, told, range(len(told))):
        found.units.append(Unit(sorted(features)))
        _add(found, read, told[at], spans)
    return found


def _spans(text: str, bad: Sequence[str]) -> list[tuple[int, int]]:
    spans = []
    for each in bad:
        said = normalise(each).text
        at = text.find(said)
        if at >= 0 and said.strip():
            spans.append((at, at + len(said)))
    return spans


def _add(
    found: Example,
    text: str,
    sentence: Sentence,
    spans: list[tuple[int, int]],
) -> None:
    start, end = sentence.start, sentence.end
    shared = max((min(end, last) - max(start, first) for first, last in spans), default=0)
    shortest = min([end - start, *(last - first for first, last in spans)])
    label = int(shared > 0 and 2 * shared >= shortest) if spans or not found.steers else -1
    found.words.append(Unit(sorted(set(glance(sentence.words)))))
    found.labels.append(label)
    found.said.append(text[start:end])


def excerpts(kind: str, examples: Sequence[Example]) -> Iterator[Example]:
    """Of each honest result of several sentences one of them alone, and a few words of another.

    An answer is often a word or a line. What is short is not therefore an order. A sentence that is
    quoted from an attack would be one alone: what frames know is left out.
    """
    for each in examples if kind == "outputs" else ():
        if each.steers or len(each.said) == 1 or not each.said:
            continue
        chosen = _digest(each.body)
        one, other = (each.said[at % len(each.said)] for at in chosen[:2])
        few = " ".join(other.split()[: 1 + chosen[2] % FEW])
        for text in (one, few):
            if not framed(text, REVIEW).weight:
                yield of_result(each.group, each.family, text)


FEW = 5
"""Words at most, of an excerpt that is no sentence."""


def share(text: str, of: int) -> int:
    """Which of so many parts of all texts this is in, the same on every machine."""
    return _digest(text)[0] % of


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def matrix(units: Sequence[Unit]) -> csr_matrix:
    """Sentences as rows: each feature counts one by the root of how many there are.

    Those of the manner count `BESIDE` each.
    """
    ends = np.cumsum([0, *(len(each.own) + len(each.manner) for each in units)])
    values = [
        value
        for own, manner in units
        for value in (*repeat(1 / sqrt(len(own) + 1), len(own)), *repeat(BESIDE, len(manner)))
    ]
    columns = np.fromiter((one for each in units for one in chain(*each)), dtype=np.int64)
    return csr_matrix((values, columns, ends), shape=(len(units), 2 << BITS))


class Trained(NamedTuple):
    """`full`: of all features; `first`: of words alone, which chooses what `full` looks at.

    `least`: what `first` must say of a sentence, without its bias.
    """

    full: LogisticRegression
    first: LogisticRegression
    least: float


def fit(examples: Sequence[Example]) -> Trained:
    """The model of all `examples`."""
    told = [each for each in examples if -1 not in each.labels]
    silent = [each for each in examples if -1 in each.labels and each.units]
    labels = [label for each in told for label in each.labels]
    units = [unit for each in told for unit in each.units]
    words = [unit for each in told for unit in each.words]
    full = _fitted(units, labels)
    chosen: list[int] = []
    for _ in range(ROUNDS if silent else 0):
        chosen = [int(np.argmax(full.decision_function(matrix(each.units)))) for each in silent]
        more = [each.units[at] for each, at in zip(silent, chosen, strict=True)]
        full = _fitted(units + more, labels + [1] * len(more))
    words += [each.words[at] for each, at in zip(silent, chosen, strict=True)]
    labels += [1] * len(chosen)
    first = _fitted(words, labels)
    scores = matrix(words) @ first.coef_[0]
    return Trained(full, first, float(np.quantile(scores[np.array(labels) == 1], UNSEEN)))


def _fitted(units: list[Unit], labels: list[int]) -> LogisticRegression:
    model = LogisticRegression(
        C=STRENGTH, solver="liblinear", class_weight={0: 1.0, 1: STEERING}, random_state=0
    )
    return model.fit(matrix(units), labels)


def odds(model: Trained, example: Example) -> "np.ndarray[Any, Any]":
    """Log-odds of each sentence; very low where the first look passes it over."""
    worth = matrix(example.words) @ model.first.coef_[0] >= model.least
    return np.where(worth, model.full.decision_function(matrix(example.units)), NEVER)


def heaviest(model: Trained, example: Example) -> float:
    """Log-odds of the sentence that reads most like one that steers."""
    return float(max(odds(model, example))) if example.units else NEVER


def file_of(model: Trained) -> bytes:
    """The model as the package reads it."""
    scale, weights = _bytes(model.full.coef_[0])
    step, words = _bytes(model.first.coef_[0][: 1 << BITS])
    return packed(float(model.full.intercept_[0]), scale, model.least / step, weights + words)


def _bytes(weights: "np.ndarray[Any, Any]") -> tuple[float, bytes]:
    scale = float(np.abs(weights).max()) / LARGEST
    return scale, (np.rint(weights / scale) + LARGEST + 1).astype(np.uint8).tobytes()


def written(kind: str) -> Iterator[Example]:
    """The texts of this project, but for `fresh-3` to `fresh-6`, which nothing is learned from."""
    for path in sorted((FIXTURES.parent / "written").glob(f"{kind}-*.jsonl")):
        for row in read_rows(path):
            yield _written(f"voice-{row['voice']}", row, row.get("bad", ()))
    for number in (1, 2):
        for row in read_rows(FIXTURES / f"fresh-{number}.jsonl"):
            if ("text" in row) == (kind == "outputs") and row["family"] not in SKIPPED:
                yield _written(f"fresh-{number}", row, ())
    yield from _results() if kind == "outputs" else _definitions()


def _results() -> Iterator[Example]:
    for name, family in (("outputs-bad", "output"), ("outputs-good", "honest-output")):
        for row in read_rows(FIXTURES / f"{name}.jsonl"):
            yield of_result("fixtures", family, row["text"])
    for name in ("ordinary", "ordinary-day"):
        for row in read_rows(FIXTURES / f"{name}.jsonl"):
            for text in _texts(row["arguments"]):
                yield of_result("fixtures", "honest-output", text)


def _definitions() -> Iterator[Example]:
    """The fixtures of the detectors."""
    paths = [FIXTURES / "paraphrases.jsonl", *sorted(FIXTURES.glob("*/*.jsonl"))]
    for path in paths:
        if path.parent.name in WORDLESS:
            continue
        family = "honest" if path.stem == "good" else "bad"
        for row in read_rows(path):
            if "definition" in row:
                yield of_definition("fixtures", family, row["definition"])


def _written(group: str, row: dict[str, Any], bad: Sequence[str]) -> Example:
    if "text" in row:
        return of_result(group, row["family"], row["text"], bad)
    definition = row.get("definition") or definition_of(row)
    return of_definition(group, row["family"], definition, bad)


def corpus(kind: str, folder: Path) -> Iterator[Example]:
    """The rows of the corpus; each source is a group, and honest ones too."""
    files = {
        "definitions": ("malicious_tools", "benign_tools", "benign_tools_bfcl"),
        "outputs": ("injected_outputs", "benign_outputs"),
    }[kind]
    for name in files:
        bad = name in {"malicious_tools", "injected_outputs"}
        for row in read_rows(folder / f"{name}.jsonl"):
            family = str(row.get("family") or ("output" if bad else "honest-output"))[0:1]
            if kind == "outputs":
                told = "output" if bad else "honest-output"
                yield of_result(row["source"], told, row["text"])
            elif not bad or family not in SKIPPED:
                told = family if bad else "honest"
                keys = ("name", "title", "description", "inputSchema", "annotations")
                definition = {key: row[key] for key in keys if row.get(key) is not None}
                yield of_definition(row["source"], told, definition)


def published(kind: str, path: Path) -> Iterator[Example]:
    """Attacks that others published: `source`, `family`, `definition` or `text`.

    Of results the short ones, and of each source no more than `MOST_ALIKE`.
    """
    taken: Counter[str] = Counter()
    for row in sorted(read_rows(path), key=_shuffled):
        source = str(row["source"]).split(":")[0]
        if kind == "definitions" and isinstance(row.get("definition"), dict):
            yield of_definition(row["source"], row["family"], row["definition"])
        elif kind == "outputs" and 0 < len(row.get("text") or "") <= LONGEST_PUBLISHED:
            taken[source] += 1
            if taken[source] <= MOST_ALIKE:
                yield of_result(source, "output", row["text"])


MOST_ALIKE = 60
"""Texts of one published collection: its templates say the same many times."""

LONGEST_PUBLISHED = 600
"""Characters. No sentence is marked in them, and in a long one the wrong one would be taken."""


def _shuffled(row: dict[str, Any]) -> bytes:
    return _digest(json.dumps(row, sort_keys=True))


def recorded(kind: str, path: Path) -> Iterator[Example]:
    """Honest rows that were recorded from servers and packages, each text once."""
    seen: set[str] = set()
    for number, row in enumerate(read_rows(path)):
        if kind == "definitions" and isinstance(row.get("definition"), dict):
            yield of_definition(row.get("server", path.stem), "honest", row["definition"])
        elif kind == "outputs" and ("text" in row or "result" in row) and number % THIN == 0:
            text = row["text"] if "text" in row else "\n".join(_texts(row["result"]))
            if text not in seen:
                seen.add(text)
                yield of_result(_origin(row, text), "honest-output", text[:LONGEST])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _origin(row: dict[str, Any], text: str) -> str:
    source = str(row.get("source", ""))
    return source if ":" in source else text[:80]


THIN = 3
"""Of recorded results one in so many: they say much of the same."""


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
