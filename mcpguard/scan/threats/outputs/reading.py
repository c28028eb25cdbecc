"""A text as the words that mean something in an instruction, and where each of them stands."""

from functools import cache
from typing import NamedTuple

from mcpguard.scan.needles import compiled
from mcpguard.scan.threats.outputs.lexicon import Sense, phrases, spaceless, words

__all__ = ["Word", "folded", "read"]


class Word(NamedTuple):
    """A word with a meaning: its number among all words of the text, and its senses."""

    at: int
    sense: int
    size: int = 1


_STOPS = "!?;\u3002\u0964\u061f\u061b"
_EDGES = "\n\r\t\"`()[]{}<>|=*^\u3001\u2022\u201c\u201d\u2026\u2014"
_COMMAS = ",\u060c"
_BLANKS = "'\u2019\u00a0"
_MARKS = str.maketrans(
    dict.fromkeys(_EDGES, "\x01")
    | dict.fromkeys(_STOPS, "\x0e")
    | dict.fromkeys(_COMMAS, "\x02")
    | {":": "\x03", "#": "\x04"}
    | dict.fromkeys(_BLANKS, " ")
)
_SPACELESS = r"[\x{3040}-\x{30FF}\x{3400}-\x{9FFF}\x{AC00}-\x{D7AF}]"
_ARABIC = r"[\x{620}-\x{64A}]"


def folded(text: str) -> str:
    """`text` in lower case with a mark, apart from words, for each edge, comma, colon and hash."""
    text = _marked(text).lower()
    if not text.isascii():
        text = _spaced(text)
    text = text.replace("\n\n", "\x0e").replace("n't", " not").translate(_MARKS)
    for mark in "\x01\x02\x03\x04\x0e@":
        if mark in text:
            text = text.replace(mark, f" {mark} ")
    return f"{text} ".replace(". ", " \x0e ")


_MARKUP = (
    rb"(?i)\n\n(?:human|assistant): |<\|[a-z_]+\|>|\[/?INST\]|<</?SYS>>|</?(?:tool_result|tool_response|tool_output"
    rb"|function_results|function_result|tool_call|function_calls|user_input|system_prompt"
    rb"|important|information|system|admin|override|instructions?)>"
)
_IMAGE = rb"!\[[^\]]*\]\(https?://[^)\s]*[?&][^)\s=]*=(?:\{|%7[Bb]|<|\[|\$|[A-Z]+_[A-Z_]+)"

_BEACON = rb"https?://[^)\s]*[?&][^)\s=]*=(?:\{|%7[Bb]|<|\[)"

_STYLED = (
    rb"(?i)(?:color:\s*(?:white|#fff|transparent)|font-size:\s*0|display:\s*none|opacity:\s*0"
    rb"|visibility:\s*hidden)\b"
)


def _marked(text: str) -> str:
    """`text` with a mark for each token of a chat format and each image that carries data off."""
    if "<" not in text and "[" not in text and "{" not in text and "\n\n" not in text:
        return text
    raw = text.encode()
    for number, pattern in ((1, _MARKUP), (2, _IMAGE), (3, _BEACON), (4, _STYLED)):
        if compiled(pattern).search(raw):
            raw = compiled(pattern).sub(rb" \x0f%d " % number, raw)
    return raw.decode()


def _spaced(text: str) -> str:
    """`text` with blanks around the terms of languages that have none; Arabic without articles."""
    if compiled(_SPACELESS).search(text):
        for number, (term, _) in enumerate(spaceless()):
            if term in text:
                text = text.replace(term, f" \x05{number} ")
    if compiled(_ARABIC).search(text):
        for joined in (" وال", " بال", " ال", " لل"):
            text = f" {text}".replace(joined, " ")
        text = " ".join(map(_parted, text.split(" ")))
    return text


def _parted(word: str) -> str:
    """An Arabic word with its "and" apart, where the rest is a word that means something."""
    return f"ثم {word[1:]}" if word[:1] in {"و", "ف"} and word[1:] in words() else word


@cache
def _senses() -> dict[str, int]:
    """Words that mean something; those that may begin a phrase have a bit more."""
    begins = dict.fromkeys(phrases(), _PHRASE)
    return {word: words().get(word, 0) | begins.get(word, 0) for word in {*words(), *begins}}


_PHRASE = 1 << (len(Sense) + 1)


def read(text: str) -> list[Word]:
    """The words of folded `text` that mean something, in order."""
    spelt = text.split()
    get = _senses().get
    found = [Word(at, sense) for at, sense in enumerate(map(get, spelt)) if sense]
    if "_" in text:
        names = {at for at, word in enumerate(spelt) if "_" in word.strip("_.")}
        known = {word.at for word in found}
        found = sorted((*found, *(Word(at, int(Sense.TOOL)) for at in names - known)))
    if not any(word.sense & _PHRASE for word in found):
        return found
    return _joined(found, spelt)


def _joined(found: list[Word], spelt: list[str]) -> list[Word]:
    """`found` with phrases as one word; words inside a phrase keep their own senses too."""
    made = []
    for word in found:
        if word.sense & _PHRASE:
            word = _phrase(word, spelt)
            if not word.sense:
                continue
        made.append(word)
    return made


def _phrase(word: Word, spelt: list[str]) -> Word:
    sense, size = word.sense & ~_PHRASE, 1
    for rest, means in phrases()[spelt[word.at]]:
        if tuple(spelt[word.at + 1 : word.at + 1 + len(rest)]) == rest:
            sense |= means
            size = max(size, len(rest) + 1)
    return Word(word.at, sense, size)
