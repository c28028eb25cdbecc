"""A text as the concepts it speaks of, one letter each, so that a rule can be about meaning.

"Never mention this to the user" and "no se lo digas al usuario" are NEG, TELL, USER. A rule is a
short pattern over these letters; `codes` also holds `.` where a sentence ends and `_` where more
than a few words stand between two concepts.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple, TypeAlias

from mcpguard.scan.needles import compiled, remembered
from mcpguard.scan.threats.prefixes import Tree, longest, tree
from mcpguard.scan.threats.text import ENDS, PAUSE, lowered, normalise
from mcpguard.scan.threats.words import CONCEPTS

__all__ = ["CODES", "Reading", "concepts", "form", "letters", "read"]

GAP = 48
"""Characters between two concepts, from which they are no longer next to each other."""

_SPOKEN: Mapping[str, str] = {
    "URL": r"(?:https?|wss?|ftp)://[^\s\"'<>)\]`\x1f]+",
    "MAIL": r"[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+",
    "TAG": (
        r"<\s*/?\s*(?:important|system|critical|secret|instructions?|hidden|admin|priority|mandatory"
        r"|assistant|note|override|rules?|policy|urgent|attention|directive|sys|developer|tool_use|im_start)\b[^>\x1f]*>"
        r"|<\|[a-z_]+\|>|\[/?(?:inst|system|sys|admin|important|hidden|override|developer|secret|internal)\]|<<\s*/?sys\s*>>"
        r"|\[(?:system|admin|internal|developer|security|hidden|ai)[ _:-][^\]\n\x1f]*\]"
    ),
    "PATH": (
        r"(?:~|\$home|%userprofile%|/root|/home/[a-z0-9_.<>{}*-]+|/users/[a-z0-9_.<>{}*-]+)/\.[a-z0-9_./*-]+"
        r"|\bid_(?:rsa|ed25519|ecdsa|dsa)(?:\.pub)?\b|\bauthorized_keys\b|\bknown_hosts\b"
        r"|/etc/(?:passwd|shadow|sudoers|hosts|ssl|ssh)\b|/proc/self/environ\b"
        r"|\.(?:aws|ssh|gnupg|kube|docker|azure|gcloud|cursor|claude|vscode|codeium|config)/[a-z0-9_./*-]+"
        r"|\.(?:npmrc|netrc|pypirc|git-credentials|bash_history|zsh_history|pgpass|bashrc|zshrc|htpasswd)\b"
        r"|\B\.env(?:\.[a-z]+)?\b|\b(?:mcp|claude_desktop_config|credentials|secrets|wallet)\.(?:json|ya?ml|dat|env)\b"
        r"|\b[a-z0-9_-]+\.(?:pem|kdbx|p12|pfx|keystore)\b|\blogin data\b|\bkeychain-db\b"
    ),
    "SHELL": (
        r"\b(?:curl|wget)\s+(?:-\S+\s+)*[\"']?(?:https?:|\$|-[a-z]|[a-z0-9.-]+\.[a-z]+/)|\bbash\s+-[ci]\b|\bsh\s+-c\b|\bchmod\s+(?:\+x|[0-7][0-7][0-7])|\brm\s+-[rf]+\b"
        r"|\bcat\s+(?:[~/$.][^\s]*|\S+\.\w+)|\bbase64\s+(?:-|<|[~/])|\bnc\s+-|\|\s*(?:ba|z)?sh\b|\bpython3?\s+-c\b|\bpowershell\s+-|\bos\.system\(|\bsubprocess\.|\beval\(|\bexec\(|\bscp\s+\S|\bssh-keygen\b"
        r"|\bpip3?\s+install\b|\bnpm\s+(?:install|i)\b|\bcrontab\b|\becho\s+[\"'$][^|>\x1f\n]*>+|\bsudo\s+\w|\bnpx\s+-y\b|\btouch\s+[~/]|\bprintenv\b|\bwhoami\b|\binvoke-expression\b|\biex\b|\bnslookup\s|\bdig\s+\+"
    ),
    "SYSPATH": (
        r"\B/(?:etc|tmp|var|home|root|usr|opt|mnt|srv|dev|proc|public|shared|users)/[\w./<>{}-]+"
        r"|\b[a-z]:\\[\w.\\ -]+|\B~/[\w./-]+|\B\$home/[\w./-]+"
    ),
    "IDENT": (
        r"`[a-z][a-z0-9_.-]+(?:\(\))?`|\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b"
        r"|(?-i:\b[a-z]+[0-9]*(?:[A-Z][a-z0-9]+)+\b)|\b[a-z][a-z0-9]+(?:-[a-z0-9]+)*\(\)"
    ),
}
"""Concepts of more than words."""

_MARKED = f"(?i){'|'.join(_SPOKEN.values())}"
_NAMES = (*CONCEPTS, *_SPOKEN, "KIN", "STRANGER")
CODES: dict[str, str] = {
    name: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"[number]
    for number, name in enumerate(_NAMES)
}
"""Concept -> its letter."""

_ANY = "[0-z]"
"""Every letter of a concept, and `_`. One range: automata are made of ranges, and begin sooner."""

_SHORT, _LONG = 3, 8
"""Concepts that may stand between two others of a form, at `~` and `~~`."""


def _letters(name: str) -> str:
    """A concept's letter; a negation may follow its verb, and a name may be a stranger's."""
    return CODES[name] + CODES[_BESIDE[name]] if name in _BESIDE else CODES[name]


_BESIDE = {"NEG": "NEGP", "IDENT": "STRANGER"}


def letters(concepts: str) -> str:
    """The letters of `A|B`."""
    return "".join(map(_letters, concepts.split("|")))


class Reading(NamedTuple):
    """`codes` of a text, and for each letter the characters of the text that it stands for."""

    codes: str
    spans: list[tuple[int, int]]


_Token: TypeAlias = tuple[str, int, int]
_Span: TypeAlias = tuple[int, int]
_Tails: TypeAlias = dict[str, list[tuple[tuple[str, ...], str]]]


_Entry: TypeAlias = tuple[str, _Tails]
"""What a word means by itself, and second word -> the rest of phrases with what they mean."""

_NOTHING: _Entry = ("", {})


def form(written: str) -> str:
    """The pattern over codes that `A|B ~ C ~~ D` means. Raises KeyError for an unknown concept."""
    parts = []
    for word in written.split():
        if word == "/":
            parts.append(r"\.?")
        elif word.startswith("~"):
            parts.append(f"{_ANY}{{0,{_LONG if word == '~~' else _SHORT}}}")
        else:
            any_of = letters(word)
            parts.append(f"[{any_of}]" if len(any_of) > 1 else any_of)
    return "".join(parts)


def read(text: str) -> Reading:
    """The concepts of a reading, in order. Linear: each word is looked up once."""
    return _spaced(_concepts(text))


def concepts(text: str) -> str:
    """The letters of the concepts alone, wherever they stand."""
    codes = "".join([code for code, _, _ in _concepts(text)])
    return codes.replace("_", "").replace(".", "")


def _concepts(text: str) -> list[_Token]:
    text = text.replace(_MARK, "\x04")  # nothing else may look like a mark
    marks = _marks(text)
    return _tokens(text, lowered(_without(text, marks)), marks)


_MARK = "\x03"
"""Stands, with blanks behind it, for what is more than words."""


def _without(text: str, marks: list[_Span]) -> str:
    """`text`, as long as it was, with a mark in place of what is at `marks`."""
    parts, done = list[str](), 0
    for start, end in marks:
        parts += (text[done:start], _MARK.ljust(end - start))
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _marks(text: str) -> list[_Span]:
    """What is more than words. No pattern names a character beyond ASCII: each is one `?`."""
    raw = text.encode("ascii", "replace")
    return [match.span() for match in compiled(_MARKED).finditer(raw)]


def _spaced(found: list[_Token]) -> Reading:
    codes: list[str] = []
    spans: list[tuple[int, int]] = []
    last = 0
    for code, start, end in found:
        if start - last > GAP and codes:
            codes.append("_")
            spans.append((last, start))
        last = end
        codes.append(code)
        spans.append((start, end))
    return Reading("".join(codes), spans)


def _tokens(text: str, low: str, marks: list[_Span]) -> list[_Token]:
    """The concepts of `text`, whose `low` is lowered and has a mark for what is at `marks`."""
    found, spread = list[_Token](), low
    for mark in (ENDS, PAUSE, _MARK):
        spread = spread.replace(mark, f" {mark} ")
    listed, places = [*spread.split(), ""], iter(marks)
    at = after = 0
    for number, entry in _looked_up(listed, plain=low.isascii()):
        if number < after:
            continue
        word = listed[number]
        if word == _MARK:
            start, at = next(places)
            found.append((_code(text[start:at]), start, at))
            continue
        code, tails = entry
        if tails and listed[number + 1] in tails:
            code, after = _longest(listed, number, tails, code)
        if code:
            start = low.find(word, at)
            at = start + len(word)
            if number + 1 < after:
                for each in listed[number + 1 : after]:
                    at = low.find(each, at) + len(each)
            found.append((code, start, at))
        elif not word.isascii():
            start = low.find(word, at)
            at = start + len(word)
            _foreign(word, start, found)
    return found


def _looked_up(listed: list[str], *, plain: bool) -> list[tuple[int, _Entry]]:
    """The number and the entry of each word that may mean something. `plain`: all are ASCII."""
    known = _vocabulary()
    pairs = enumerate(map(known.get, listed))
    if plain:
        return [
            (number, entry)
            for number, entry in pairs
            if entry is not None and (entry[0] or listed[number + 1] in entry[1])
        ]
    return [
        (number, entry or known.get(_headed(listed[number]), _NOTHING))
        for number, entry in pairs
        if entry is not None or not listed[number].isascii()
    ]


@remembered(4096)
def _headed(word: str) -> str:
    """An Arabic word that begins a phrase, without what is written together with it."""
    known = _vocabulary()
    cut = (word.removeprefix(each) for each in _PREFIXES if word.startswith(each))
    return next((each for each in cut if each in known and known[each][1]), "")


def _longest(listed: list[str], number: int, tails: _Tails, code: str) -> tuple[str, int]:
    """The code of the longest phrase at `number`, and the number of the word after it."""
    begins = number + 1
    for tail, found in tails[listed[begins]]:
        if tuple(listed[begins : begins + len(tail)]) == tail:
            return found, begins + len(tail)
    return code, begins


def _foreign(word: str, at: int, found: list[_Token]) -> None:
    """Add the concepts of a word that is not in the table as it stands."""
    if _worded(word[0]):
        code = _stemmed(word)
        if code:
            found.append((code, at, at + len(word)))
        return
    found += [(code, at + start, at + end) for start, end, code in longest(_runs(), word)]


@cache
def _codes() -> dict[str, str]:
    """Word or phrase, folded as a reading is, one space between its words -> code."""
    found = {ENDS: ".", PAUSE: "_"}
    for name, words in CONCEPTS.items():
        for word in words.split(";"):
            bare = " ".join(lowered(normalise(word).text).split())
            if bare:
                found.setdefault(bare, CODES[name])
    return found


@cache
def _vocabulary() -> dict[str, _Entry]:
    """First word -> its own code, if any, and the phrases that begin with it."""
    found: dict[str, _Entry] = {}
    for phrase, code in _codes().items():
        first, *rest = phrase.split() or [phrase]
        alone, tails = found.get(first, ("", {}))
        if rest:
            tails.setdefault(rest[0], []).append((tuple(rest), code))
        found[first] = (alone if rest else code, tails)
    for _, tails in found.values():
        for each in tails.values():
            each.sort(key=lambda tail: -len(tail[0]))
    return found | {_MARK: (_MARK, {})}


@cache
def _runs() -> Tree:
    """The words of the scripts without spaces."""
    unspaced = (word for word in _codes() if not word[0].isascii() and not _worded(word[0]))
    return tree({word: _codes()[word] for word in unspaced})


def _worded(letter: str) -> bool:
    """Whether the script has spaces between words, and endings."""
    return "\u0600" <= letter < "\u0980"


@remembered(4096)
def _stemmed(word: str) -> str:
    known = _codes()
    return next((known[each] for each in _stems(word) if each in known), "")


_PREFIXES = ("وال", "بال", "فال", "كال", "لل", "ال", "و", "ف", "ب", "ل", "ك", "س", "ت", "ي", "ن")
_SUFFIXES = ("ها", "هم", "نا", "كم", "ات", "ه", "ك", "ي", "ا", "ة", "ت")  # noqa: RUF001


def _stems(word: str) -> Iterator[str]:
    """An Arabic word without what is written together with it; a Hindi one without its ending."""
    if word[0] >= "\u0900":
        yield from (word[:-1], word[:-2])
        return
    fronts = [word, *(word[len(each) :] for each in _PREFIXES if word.startswith(each))]
    for front in fronts:
        if len(front) > _SHORT:
            yield front
            yield from (front[: -len(each)] for each in _SUFFIXES if front.endswith(each))


_KEYS = frozenset(
    f"{key}{end}" for key in ("id_rsa", "id_ed25519", "id_ecdsa", "id_dsa") for end in ("", ".pub")
) | {"authorized_keys", "known_hosts"}
"""Files of keys whose names look like those of tools."""


@remembered(4096)
def _code(token: str) -> str:
    """The code of what is more than a word."""
    low = token.lower()
    if token[0] == "`" and low.strip("`") in _codes():
        return _codes()[low.strip("`")]
    if token.replace("_", "").isalnum() and ("_" in token or token != low) and low not in _KEYS:
        return CODES["IDENT"]
    raw = token.encode()
    for code, pattern in _WHOLE:
        if compiled(pattern).search(raw) is not None:
            return code
    return CODES["IDENT"]


_WHOLE = [(CODES[name], rf"(?i)\A(?:{pattern})\z") for name, pattern in _SPOKEN.items()]
