"""What the words of a sentence do not say: where it stands, how it is written, what it means.

In a result, a text that steers a model stands at the end of a mail rather than in the middle of a
manual; what is around it (prose, a listing, a program) says how likely an order is there. In a
definition, an argument that takes what its tool does not need shares no word with what the tool is
about, is said in more words than such a tool's others, and comes last.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import log2
from typing import TypeAlias

from mcpguard.scan.threats.classifier.fastpath import BITS, Numbers, Sentence
from mcpguard.scan.threats.classifier.features import Topic, shared, units
from mcpguard.scan.threats.lexicon import concepts

__all__ = ["brought", "listed"]

_Span: TypeAlias = tuple[int, int]

_MASK = (1 << BITS) - 1

_HEAD = 512
"""Characters of a text that tell prose from what is none."""

_AFTER = 2
"""Characters before and after a sentence that are features as they stand."""

_PROGRAM = ("def ", "import ", "function", "{\n", ");", "#!/")
_TELLING = ("http", "@", "/", ".py", "--")
"""What in a sentence says that it names something to go to, or to run."""

_ACRONYM = 2
"""Letters of a word in capitals that is none."""

_FAR = 0x3000
"""Code points from which punctuation is not looked at."""

_ASCII = [chr(point) for point in range(0x80)]
_WORDLY = "".join(each for each in _ASCII if each.isalnum() or each.isspace()).encode()
_NO_LETTERS = "".join(each for each in _ASCII if not each.isalpha()).encode()
_NO_CAPITALS = "".join(each for each in _ASCII if not each.isupper()).encode()
_NO_DIGITS = "".join(each for each in _ASCII if not each.isdigit()).encode()
"""What is taken out of a text of ASCII to count the rest, at once."""


def brought(
    text: str, told: Sequence[Sentence], chosen: Collection[int]
) -> Iterator[tuple[int, set[int]]]:
    """The number and the features of each sentence that is `chosen` of those `told` in `text`.

    `text`: what a tool brought, as it is read. The features of `units` are among them.
    """
    if not chosen:
        return
    whole, known, said = _layout(text), list(told), dict[_Span, tuple[str, list[str]]]()
    places = _places(told)
    for at in chosen:
        start, end, words, _ = told[at]
        if (start, end) not in said:
            said[start, end] = concepts(text[start:end]), _signs(text[start : end + 1])
        codes = said[start, end][0]
        first, count = places[start, end]
        share = (len(codes) * (at + more - first) // count for more in range(2))
        known[at] = Sentence(start, end, words, codes[slice(*share)])
    for at, found in units(known, chosen=chosen):
        own = said[told[at].start, told[at].end][1]
        found.update(whole, _manner(text, told, at, own))
        yield at, found


def _places(told: Sequence[Sentence]) -> dict[_Span, tuple[int, int]]:
    """Of each sentence the number of its first piece, and how many it has, one after another."""
    found = dict[_Span, tuple[int, int]]()
    for at, (start, end, *_) in enumerate(told):
        first, count = found.get((start, end), (at, 0))
        found[start, end] = first, count + 1
    return found


def listed(
    text: str,
    told: Sequence[Sentence],
    arguments: Sequence[str],
    about: Topic,
    chosen: Collection[int],
) -> Iterator[tuple[int, set[int], set[int]]]:
    """The number, the features and those of the manner of each sentence that is `chosen`.

    `text`: what a definition says by `told`, whose tool is `about` that; `arguments`: which one
    each sentence speaks of, none where it is empty: an order steers wherever it stands, so what is
    said of the tool itself has no manner. The features are those of `units`.
    """
    if not chosen:
        return
    order = list(dict.fromkeys(filter(None, arguments)))
    for at, found in units(told, about, chosen):
        manner: set[str] = set()
        if arguments[at]:
            place = _placed(order.index(arguments[at]), len(order))
            last = min(told[at].end + 1, told[at].start + _LOOKED_AT)
            manner.update(_signs(text[told[at].start : last]))
            manner.update(_of_argument(told[at], about, place, len(order), len(text)))
        yield at, found, set(map(_ARGUED.__getitem__, manner))


_LOOKED_AT = 600
"""Characters of what is said of an argument, as signs are looked for: the time stays linear."""


def _placed(at: int, of: int) -> str:
    return "only" if of == 1 else "first" if at == 0 else "last" if at == of - 1 else "between"


def _of_argument(
    sentence: Sentence, about: Topic, place: str, count: int, size: int
) -> Iterator[str]:
    """Of the sentence of one of `count` arguments, in a definition of `size` characters."""
    alike, stems = shared(sentence, about)
    whole, own = min(8, len(about.stems) // 2), len(sentence.words)
    yield f"alike {min(4, alike)}"
    yield f"share {4 * alike // max(1, stems)}"
    yield f"place {place}"
    yield f"count {min(6, count)}"
    yield f"size {min(10, own // 2)}"
    yield f"topic {whole}"
    yield f"topic {whole} size {min(8, own // 3)}"
    yield f"concepts {min(6, len(sentence.codes))}"
    yield f"whole {min(8, size // 100)}"


def _layout(text: str) -> frozenset[int]:
    """Features of `text` as a whole. Linear: a tenth of a millisecond for 16 KiB."""
    head = text[:_HEAD]
    first = text.lstrip()[:1]
    _, letters, _, _ = _counted(head)
    plain = letters + head.count(" ")
    told = {
        "begins": "a" if first.isalnum() else first,
        "members": min(5, text.count('":')),
        "lines": min(6, int(log2(text.count("\n") + 1))),
        "prose": 10 * plain // max(1, len(head)),
        "program": sum(each in text for each in _PROGRAM),
        "markup": "</" in text,
        "mail": "Subject:" in text or "From:" in text,
    }
    return frozenset(_ONCE[f"{name} {value}"] for name, value in told.items())


def _manner(text: str, told: Sequence[Sentence], at: int, signs: Iterable[str]) -> set[int]:
    """Features of the sentence `at` of those `told` in `text`: its place, size and `signs`.

    Each twice: they are few, beside hundreds that words give.
    """
    sentence = told[at]
    place = "first" if at == 0 else "last" if at == len(told) - 1 else "between"
    names = [
        f"place {place}",
        f"size {min(8, int(1.5 * log2(len(sentence.words) + 1)))}",
        *signs,
        f"before {text[max(0, sentence.start - _AFTER) : sentence.start]}",
        f"after {text[sentence.end : sentence.end + _AFTER]}",
    ]
    return {*map(_ONCE.__getitem__, names), *map(_AGAIN.__getitem__, names)}


def _signs(raw: str) -> list[str]:
    """Punctuation, capitals and digits."""
    words = raw.split()
    signs, letters, capitals, digits = _counted(raw)
    shouted = titled = 0
    if capitals:
        shouted = sum([each.isupper() and len(each) > _ACRONYM for each in words])
        titled = sum([each[0].isupper() for each in words])
    return [
        *[f"sign {each}" for each in signs],
        f"capitals {6 * capitals // max(1, letters)}",
        f"shouted {min(4, shouted)}",
        f"titled {5 * titled // max(1, len(words))}",
        f"starts {'A' if raw[:1].isupper() else 'a' if raw[:1].islower() else ''}",
        f"digits {10 * digits // max(1, len(raw))}",
        *[f"names {each}" for each in _TELLING if each in raw],
    ]


def _counted(raw: str) -> tuple[Iterable[str], int, int, int]:
    """Punctuation, each once, and how many letters, capitals and digits there are."""
    if not raw.isascii():
        signs = {each for each in raw if not (each.isalnum() or each.isspace())}
        near = [each for each in signs if ord(each) < _FAR]
        letters, capitals = sum(map(str.isalpha, raw)), sum(map(str.isupper, raw))
        return near, letters, capitals, sum(map(str.isdigit, raw))
    plain = raw.encode()
    return (
        set(plain.translate(None, _WORDLY).decode()),
        len(plain.translate(None, _NO_LETTERS)),
        len(plain.translate(None, _NO_CAPITALS)),
        len(plain.translate(None, _NO_DIGITS)),
    )


def _number(name: str) -> int:
    return zlib.crc32(name.encode()) & _MASK


_ONCE = Numbers(_number)
_AGAIN = Numbers(lambda name: _number(f"{name} again"))
_ARGUED = Numbers(lambda name: _number(f"argument {name}"))
"""The numbers of names, as they are, as they count twice, and as they are said of an argument."""
