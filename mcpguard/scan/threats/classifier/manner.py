"""What the words of a sentence do not say: where it stands, how it is written, what it means.

In a result, a text that steers a model stands at the end of a mail rather than in the middle of a
manual; what is around it (prose, a listing, a program) says how likely an order is there. In a
definition, an argument that takes what its tool does not need shares no word with what the tool is
about, is said in more words than such a tool's others, and comes last.
"""

import zlib
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from math import log2

from mcpguard.scan.threats.classifier.features import BITS, Sentence, Topic, shared, units
from mcpguard.scan.threats.lexicon import read

__all__ = ["brought", "listed"]

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


def brought(
    text: str, told: Sequence[Sentence], chosen: Collection[int]
) -> Iterator[tuple[int, set[int]]]:
    """The number and the features of each sentence that is `chosen` of those `told` in `text`.

    `text`: what a tool brought, as it is read. The features of `units` are among them.
    """
    if not chosen:
        return
    whole = _layout(text)
    known = [_meant(text, each) if at in chosen else each for at, each in enumerate(told)]
    for at, found in units(known, chosen=chosen):
        yield at, found.union(whole, _manner(text, told, at))


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
        yield at, found, {_number(f"argument {each}") for each in manner}


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


def _meant(text: str, sentence: Sentence) -> Sentence:
    """`sentence` of `text` with the concepts that its words stand for."""
    codes = read(text[sentence.start : sentence.end]).codes
    return sentence._replace(codes=codes.replace("_", "").replace(".", ""))


def _layout(text: str) -> frozenset[int]:
    """Features of `text` as a whole. Linear: a tenth of a millisecond for 16 KiB."""
    head = text[:_HEAD]
    first = text.lstrip()[:1]
    plain = sum(each.isalpha() or each == " " for each in head)
    told = {
        "begins": "a" if first.isalnum() else first,
        "members": min(5, text.count('":')),
        "lines": min(6, int(log2(text.count("\n") + 1))),
        "prose": 10 * plain // max(1, len(head)),
        "program": sum(each in text for each in _PROGRAM),
        "markup": "</" in text,
        "mail": "Subject:" in text or "From:" in text,
    }
    return frozenset(_number(f"{name} {value}") for name, value in told.items())


def _manner(text: str, told: Sequence[Sentence], at: int) -> set[int]:
    """Features of the sentence `at` of those `told` in `text`: its place, size and signs.

    Each twice: they are few, beside hundreds that words give.
    """
    sentence = told[at]
    place = "first" if at == 0 else "last" if at == len(told) - 1 else "between"
    found = {f"place {place}", f"size {min(8, int(1.5 * log2(len(sentence.words) + 1)))}"}
    found.update(_signs(text[sentence.start : sentence.end + 1]))
    found.add(f"before {text[max(0, sentence.start - _AFTER) : sentence.start]}")
    found.add(f"after {text[sentence.end : sentence.end + _AFTER]}")
    return {_number(each) for name in found for each in (name, f"{name} again")}


def _signs(raw: str) -> Iterator[str]:
    """Punctuation, capitals and digits."""
    for sign in set(raw):
        if not (sign.isalnum() or sign.isspace()) and ord(sign) < _FAR:
            yield f"sign {sign}"
    words = raw.split()
    letters = sum(map(str.isalpha, raw))
    yield f"capitals {6 * sum(map(str.isupper, raw)) // max(1, letters)}"
    yield f"shouted {min(4, sum(each.isupper() and len(each) > _ACRONYM for each in words))}"
    yield f"titled {5 * sum(each[:1].isupper() for each in words) // max(1, len(words))}"
    yield f"starts {'A' if raw[:1].isupper() else 'a' if raw[:1].islower() else ''}"
    yield f"digits {10 * sum(map(str.isdigit, raw)) // max(1, len(raw))}"
    yield from (f"names {each}" for each in _TELLING if each in raw)


@lru_cache(maxsize=1024)
def _number(name: str) -> int:
    return zlib.crc32(name.encode()) & _MASK
